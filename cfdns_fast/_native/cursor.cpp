#include "cursor.hpp"

#include <algorithm>

#include "json_scanner.hpp"

namespace cfdns {

namespace {

bool is_line_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

const char* skip_line_space(const char* at, const char* stop) {
  while (at < stop && is_line_space(*at)) ++at;
  return at;
}

bool is_too_deep(const char* from, const char* to) {
  BracketCounter brackets;
  for (; from < to; ++from) {
    brackets.take(*from);
    if (brackets.depth() > max_depth) return true;
  }
  return false;
}

}  // namespace

void Cursor::start(Slice data, bool final, bool mid_line, size_t raw_limit_bytes) {
  data_ = data;
  final_ = final;
  raw_limit_bytes_ = raw_limit_bytes;
  window_offset_ = 0;
  window_size_bytes_ = 0;
  window_indexed_ = false;
  newlines_ = 0;
  blank = 0;
  events = 0;
  at_ = buffer_.data();
  in_line_ = false;
  mid_line_ = mid_line;
  stopped_ = false;
  in_document_ = false;
  decoder_.newlines_allowed = judge_.newlines_allowed = false;
  for (uint64_t& count : event.problems) count = 0;
  event.formats_times = true;
  event.counts_times = false;
}

void Cursor::read_document(uint8_t place) {
  document_.start(data_, final_, place);
  // There are no lines to read, and next() need not ask for more than that.
  stopped_ = in_document_ = true;
  decoder_.newlines_allowed = judge_.newlines_allowed = true;
}

bool Cursor::next_window() {
  window_offset_ += window_size_bytes_;
  window_size_bytes_ = 0;
  window_indexed_ = false;
  at_ = buffer_.data();
  size_t left = data_.size_bytes - static_cast<size_t>(window_offset_);
  if (left == 0) return false;
  const char* from = data_.data + window_offset_;
  // What follows the last newline may be half a record, which would spoil the whole window's index.
  size_t size_bytes = left <= window_bytes && final_ ? left : whole_lines(from, left, window_bytes);
  buffer_.reserve(size_bytes, 0);
  std::memcpy(buffer_.data(), from, size_bytes);
  std::memset(buffer_.data() + size_bytes, 0, padding_bytes);
  at_ = buffer_.data();
  window_size_bytes_ = size_bytes;
  window_indexed_ = delimiter_.empty() && size_bytes <= most_indexed_bytes && window_index_.index(at_, size_bytes);
  if (window_indexed_) decoder_.attach(window_index_, at_, at_ + size_bytes);
  return true;
}

Turn Cursor::next() {
  for (;;) {
    if (stopped_) return in_document_ ? next_item() : Turn::end;
    if (!in_line_) {
      if (at_ == buffer_.data() + window_size_bytes_ && !next_window()) return Turn::end;
      if (window_indexed_ && !mid_line_ && decoder_.next_start() == at_ && *at_ == '{' && decoder_.take_object()) {
        // Nearly every line is one object and a newline, and then nobody has to look for the newline.
        const Record& record = decoder_.record;
        bool usual = *record.raw.end() == '\n' && !record.lone_surrogate &&
                     record.raw.size_bytes <= plan_.max_record_bytes;
        if (!usual) {
          find_line_end(record.raw.end());
          return accept();
        }
        at_ = record.raw.end() + 1;
        ++newlines_;
        return resolve();
      }
      begin_line();
    }
    at_ = skip_line_space(at_, line_stop_);
    if (at_ < line_stop_ && take_object()) return accept();
    if (!ended_ && !final_) {
      stopped_ = true;
      if (!mid_line_) at_ = line_start_;
      return Turn::end;
    }
    if (at_ == line_stop_) {
      if (!mid_line_ && !delimited_) ++blank;
      end_line();
      continue;
    }
    refuse(at_, line_stop_, judge(at_, line_stop_));
    end_line();
    return Turn::reject;
  }
}

void Cursor::find_line_end(const char* from) {
  const char* window_end = buffer_.data() + window_size_bytes_;
  const char* stop = delimiter_.empty() ? find(from, window_end, '\n') : find_piece_end(from, window_end);
  ended_ = stop != nullptr;
  delimited_ = ended_ && *stop != '\n';
  line_start_ = at_;
  line_stop_ = ended_ ? stop : window_end;
  line_next_ = ended_ ? stop + (delimited_ ? delimiter_.size() : 1) : window_end;
  if (ended_ && !delimited_ && line_stop_ > from && line_stop_[-1] == '\r') --line_stop_;
  in_line_ = true;
  indexed_ = Indexed::window;
}

// The newline, or the delimiter outside brackets and strings, that ends what begins at `from`; null if none does.
const char* Cursor::find_piece_end(const char* from, const char* end) const {
  BracketCounter brackets;
  for (; from < end; ++from) {
    bool outside = brackets.depth() == 0 && !brackets.in_string();
    bool is_delimiter = outside && static_cast<size_t>(end - from) >= delimiter_.size() &&
                        std::memcmp(from, delimiter_.data(), delimiter_.size()) == 0;
    if (is_delimiter || *from == '\n') return from;
    brackets.take(*from);
  }
  return nullptr;
}

void Cursor::begin_line() {
  find_line_end(at_);
  constexpr char byte_order_mark[] = "\xEF\xBB\xBF";
  if (!mid_line_ && line_stop_ - at_ >= 3 && std::memcmp(at_, byte_order_mark, 3) == 0) at_ += 3;
  size_t size_bytes = static_cast<size_t>(line_stop_ - at_);
  if (window_indexed_) {
    decoder_.skip_before(at_);
  } else if (size_bytes <= most_indexed_bytes && line_index_.index(at_, size_bytes)) {
    indexed_ = Indexed::line;
    decoder_.attach(line_index_, at_, line_stop_);
  } else {
    indexed_ = Indexed::record;
  }
}

void Cursor::end_line() {
  at_ = line_next_;
  newlines_ += ended_ && !delimited_;
  in_line_ = false;
  mid_line_ = delimited_;
  if (window_indexed_) decoder_.skip_before(at_);
}

bool Cursor::take_object() {
  if (*at_ != '{') return false;
  if (indexed_ != Indexed::record) return decoder_.next_start() == at_ && decoder_.take_object();
  const char* end;
  if (!cut_object(end)) return false;
  size_t size_bytes = static_cast<size_t>(end - at_);
  if (size_bytes > plan_.max_record_bytes && size_bytes > most_indexed_bytes) {
    // It will be refused for its size. All that matters is whether the line goes on behind it.
    decoder_.record.raw = {at_, size_bytes};
    return is_utf8(at_, size_bytes) && JsonScanner(at_, end).is_object();
  }
  if (!line_index_.index(at_, size_bytes)) return false;
  decoder_.attach(line_index_, at_, end);
  return decoder_.take_object() && decoder_.record.raw.end() == end;
}

// Where the brackets of the object at at_ balance. If the object is JSON, that is its end.
bool Cursor::cut_object(const char*& end) const {
  BracketCounter brackets;
  for (const char* at = at_; at < line_stop_; ++at) {
    brackets.take(*at);
    if (brackets.depth() == 0) {
      end = at + 1;
      return true;
    }
    if (brackets.depth() > max_depth) return false;
  }
  return false;
}

Turn Cursor::accept() {
  const Record& record = decoder_.record;
  at_ = record.raw.end();
  mid_line_ = true;
  if (record.raw.size_bytes > plan_.max_record_bytes) return refuse(record.raw.data, at_, RejectCode::too_large);
  if (record.lone_surrogate) return refuse(record.raw.data, at_, RejectCode::surrogate);
  return resolve();
}

CFDNS_FLAT Turn Cursor::resolve() {
  event.resolve(decoder_.record);
  ++events;
  return Turn::event;
}

Turn Cursor::refuse(const char* from, const char* to, RejectCode code) {
  reject.line = newlines_ + 1;
  reject.byte_offset = window_offset_ + static_cast<uint64_t>(from - buffer_.data());
  reject.byte_length = static_cast<uint64_t>(to - from);
  reject.code = code;
  reject.raw.assign(from, reject.byte_length < raw_limit_bytes_ ? reject.byte_length : raw_limit_bytes_);
  return Turn::reject;
}

Turn Cursor::next_item() {
  Slice item;
  DocumentSplitter::Found found = document_.next(item);
  const char* next = found == DocumentSplitter::Found::end ? document_.position() : item.data;
  newlines_ += static_cast<uint64_t>(std::count(data_.data + window_offset_, next, '\n'));
  window_offset_ = static_cast<uint64_t>(next - data_.data);
  if (found == DocumentSplitter::Found::end) return Turn::end;
  if (found == DocumentSplitter::Found::fault) return refuse_item(item, RejectCode::syntax);
  if (item.size_bytes > plan_.max_record_bytes) return refuse_item(item, RejectCode::too_large);
  buffer_.reserve(item.size_bytes, 0);
  at_ = buffer_.data();
  std::memcpy(buffer_.data(), item.data, item.size_bytes);
  std::memset(buffer_.data() + item.size_bytes, 0, padding_bytes);
  const char* end = at_ + item.size_bytes;
  if (*at_ != '{' || !line_index_.index(at_, item.size_bytes)) return refuse_item(item, judge(at_, end));
  decoder_.attach(line_index_, at_, end);
  if (!decoder_.take_object() || decoder_.record.raw.end() != end) return refuse_item(item, judge(at_, end));
  return decoder_.record.lone_surrogate ? refuse_item(item, RejectCode::surrogate) : resolve();
}

Turn Cursor::refuse_item(Slice item, RejectCode code) {
  at_ = buffer_.data();
  reject.line = newlines_ + 1;
  reject.byte_offset = window_offset_;
  reject.byte_length = item.size_bytes;
  reject.code = code;
  reject.raw.assign(item.data, item.size_bytes < raw_limit_bytes_ ? item.size_bytes : raw_limit_bytes_);
  return Turn::reject;
}

RejectCode Cursor::judge(const char* from, const char* to) {
  size_t size_bytes = static_cast<size_t>(to - from);
  if (size_bytes > plan_.max_record_bytes) return RejectCode::too_large;
  if (!is_utf8(from, size_bytes)) return RejectCode::utf8;
  if (is_too_deep(from, to)) return RejectCode::depth;
  if (!judge_index_.index(from, size_bytes)) return RejectCode::syntax;
  judge_.attach(judge_index_, from, to);
  bool is_object;
  if (!judge_.whole_value(is_object)) return RejectCode::syntax;
  return judge_.record.lone_surrogate ? RejectCode::surrogate : RejectCode::not_object;
}

void Cursor::trim() {
  data_ = {};
  constexpr size_t kept_bytes = 8 * window_bytes;
  buffer_.trim(kept_bytes);
  event.trim(kept_bytes);
  decoder_.trim(kept_bytes);
  judge_.trim(kept_bytes);
  reject = Reject();
  window_index_.trim(kept_bytes);
  line_index_.trim(kept_bytes);
  judge_index_.trim(kept_bytes);
}

}  // namespace cfdns
