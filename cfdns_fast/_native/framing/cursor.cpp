#include "framing/cursor.hpp"

#include <algorithm>

#include "json/scanner.hpp"

namespace cfdns {

namespace {

const char* skip_padding(const char* at, const char* stop) {
  while (at < stop && *at == '\0') ++at;
  return at;
}

}  // namespace

void Cursor::start(Slice data, const ReadOptions& options) {
  data_ = data;
  final_ = options.final;
  raw_limit_bytes_ = options.raw_limit_bytes;
  uint8_t line_state = options.is_document ? uint8_t{line_start} : options.state;
  window_offset_ = 0;
  window_size_bytes_ = 0;
  window_indexed_ = false;
  try_bytes_ = window_bytes;
  lines_bytes_ = min_window_bytes;
  good_windows_ = 0;
  newlines_ = 0;
  blank = 0;
  events = 0;
  at_ = buffer_.data();
  in_line_ = false;
  padded_ = (line_state & line_padded) != 0;
  mid_line_ = (line_state & line_read) != 0;
  starts_blank_ = (line_state & line_blank) != 0;
  is_blank_so_far_ = starts_blank_ && data.size_bytes == 0;
  if ((padded_ || starts_blank_) && data.size_bytes == 0 && final_) ++blank;
  stopped_ = false;
  in_document_ = false;
  decoder_.newlines_allowed = false;
  reason_.allow_newlines(false);
  event.start();
  event.formats_times = true;
  event.counts_times = false;
  if (options.is_document) read_document(options);
}

// The data is a document, or the rest of one from options.state.
void Cursor::read_document(const ReadOptions& options) {
  document_.start(data_, options);
  // A document has no lines, so next() checks only stopped_ before its fast path.
  stopped_ = in_document_ = true;
  decoder_.newlines_allowed = true;
  reason_.allow_newlines(true);
}

bool Cursor::next_window() {
  window_offset_ += window_size_bytes_;
  window_size_bytes_ = 0;
  window_indexed_ = false;
  newline_ = nullptr;
  at_ = buffer_.data();
  size_t left = data_.size_bytes - static_cast<size_t>(window_offset_);
  if (left == 0) return false;
  if (!delimiter_.empty()) {
    copy_window(left, window_bytes);
    return true;
  }
  copy_window(left, try_bytes_);
  for (;;) {
    window_indexed_ = window_size_bytes_ <= max_indexed_bytes && window_index_.index(at_, window_size_bytes_);
    if (window_indexed_) break;
    good_windows_ = 0;
    size_t refused_bytes = window_size_bytes_;
    if (try_bytes_ > min_window_bytes) {
      try_bytes_ = std::max(try_bytes_ / 8, min_window_bytes);
      cut_window(whole_lines(at_, window_size_bytes_, try_bytes_));
    }
    if (window_size_bytes_ == refused_bytes) break;
  }
  if (window_indexed_) {
    if (++good_windows_ % 8 == 0) try_bytes_ = std::min(2 * try_bytes_, window_bytes);
    lines_bytes_ = std::max(lines_bytes_ / 2, min_window_bytes);
    decoder_.attach(window_index_, at_, at_ + window_size_bytes_);
  } else {
    copy_window(left, lines_bytes_);
    lines_bytes_ = std::min(2 * lines_bytes_, window_bytes);
  }
  return true;
}

// Copy at most max_bytes of the `left` bytes of data.
void Cursor::copy_window(size_t left, size_t max_bytes) {
  const char* from = data_.data + window_offset_;
  // The text after the last newline may be half a record, which would make simdjson refuse the window.
  size_t size_bytes = left <= max_bytes && final_ ? left : whole_lines(from, left, max_bytes);
  buffer_.reserve(size_bytes, 0);
  std::memcpy(buffer_.data(), from, size_bytes);
  cut_window(size_bytes);
  at_ = buffer_.data();
}

void Cursor::cut_window(size_t size_bytes) {
  window_size_bytes_ = size_bytes;
  std::memset(buffer_.data() + size_bytes, 0, padding_bytes);
}

Turn Cursor::next() {
  for (;;) {
    if (stopped_) return in_document_ ? next_item() : Turn::end;
    if (!in_line_) {
      if (at_ == buffer_.data() + window_size_bytes_ && !next_window()) return Turn::end;
      if (window_indexed_ && !mid_line_ && !padded_ && decoder_.next_start() == at_ && *at_ == '{' &&
          decoder_.parse_object()) {
        // Most lines are one object and a newline, so the newline need not be searched.
        const Record& record = decoder_.record;
        bool is_plain =
            *record.raw.end() == '\n' && !record.lone_surrogate && record.raw.size_bytes <= plan_.max_record_bytes;
        if (!is_plain) {
          find_line_end(record.raw.end());
          return accept();
        }
        at_ = record.raw.end() + 1;
        ++newlines_;
        return resolve();
      }
      begin_line();
    }
    const char* from = at_;
    at_ = skip_line_space(at_, line_stop_);
    bool is_padded = find(from, at_, '\0') != nullptr;
    if (is_padded && indexed_ != Indexed::record) decoder_.skip_before(at_);
    if (at_ < line_stop_ && parse_object()) {
      padded_ |= is_padded;
      count_padding();
      return accept();
    }
    if (!ended_ && !final_) {
      stopped_ = true;
      // A delimiter may begin with space, and the data may end within it.
      ptrdiff_t half_bytes = delimiter_.empty() ? 0 : static_cast<ptrdiff_t>(delimiter_.size_bytes() - 1);
      at_ -= std::min(at_ - from, half_bytes);
      padded_ |= find(from, at_, '\0') != nullptr;
      bool is_unread = at_ == line_start_ || (!nul_delimits_ && skip_padding(line_start_, at_) == at_);
      is_blank_so_far_ = is_first_blank_ || !is_unread;
      return Turn::end;
    }
    padded_ |= is_padded;
    if (at_ == line_stop_) {
      padded_ |= !mid_line_ && !delimited_;
      count_padding();
      end_line();
      continue;
    }
    count_padding();
    refuse(at_, line_stop_, reason_.of(at_, line_stop_));
    end_line();
    return Turn::reject;
  }
}

void Cursor::find_line_end(const char* from) {
  const char* window_end = buffer_.data() + window_size_bytes_;
  const char* stop = delimiter_.empty() ? find(from, window_end, '\n') : find_piece_end(from);
  ended_ = stop != nullptr;
  delimited_ = ended_ && *stop != '\n';
  // The decoder must not find JSON after an open bracket, and the delimiter is not read again.
  if (delimited_) buffer_.data()[stop - buffer_.data()] = '\0';
  line_start_ = at_;
  line_stop_ = ended_ ? stop : window_end;
  line_next_ = ended_ ? stop + (delimited_ ? delimiter_.size_bytes() : 1) : window_end;
  if (ended_ && !delimited_ && line_stop_ > from && line_stop_[-1] == '\r') --line_stop_;
  in_line_ = true;
  indexed_ = Indexed::window;
}

// The newline or delimiter that ends the piece at `from`; null if the data ends before.
const char* Cursor::find_piece_end(const char* from) {
  const char* window_end = buffer_.data() + window_size_bytes_;
  // Search once for a line, not once for each of its pieces.
  if (newline_ == nullptr || newline_ < from) {
    newline_ = find(from, window_end, '\n');
    if (newline_ == nullptr) newline_ = window_end;
  }
  bool has_newline = newline_ != window_end;
  const char* stop = newline_;
  if (has_newline && stop > from && stop[-1] == '\r') --stop;
  const char* delimiter = delimiter_.find_after_objects(from, stop, has_newline || final_);
  if (delimiter != nullptr) return delimiter;
  return has_newline ? newline_ : nullptr;
}

void Cursor::begin_line() {
  constexpr char byte_order_mark[] = "\xEF\xBB\xBF";
  const char* start = at_;
  bool is_first = window_offset_ == 0 && at_ == buffer_.data();
  is_first_blank_ = starts_blank_ && is_first;
  const char* mark = nul_delimits_ ? at_ : skip_padding(at_, buffer_.data() + window_size_bytes_);
  // No byte order mark continues after the window, because the padding is NUL.
  bool is_marked = !mid_line_ && !is_first_blank_ && std::memcmp(mark, byte_order_mark, 3) == 0;
  padded_ |= is_marked && mark != at_;
  if (is_marked) at_ = mark + 3;
  find_line_end(at_);
  line_start_ = start;
  size_t size_bytes = static_cast<size_t>(line_stop_ - at_);
  if (window_indexed_) {
    decoder_.skip_before(at_);
  } else if (size_bytes <= max_indexed_bytes && line_index_.index(at_, size_bytes)) {
    indexed_ = Indexed::line;
    decoder_.attach(line_index_, at_, line_stop_);
  } else {
    indexed_ = Indexed::record;
  }
}

// A run of NULs counts as a blank line. A line of only NULs counts once.
void Cursor::count_padding() {
  blank += padded_;
  padded_ = false;
}

void Cursor::end_line() {
  at_ = line_next_;
  newlines_ += ended_ && !delimited_;
  in_line_ = false;
  mid_line_ = delimited_;
  if (window_indexed_) decoder_.skip_before(at_);
}

bool Cursor::parse_object() {
  if (*at_ != '{') return false;
  if (indexed_ != Indexed::record) return decoder_.next_start() == at_ && decoder_.parse_object();
  const char* end;
  if (!cut_object(end)) return false;
  size_t size_bytes = static_cast<size_t>(end - at_);
  if (size_bytes > plan_.max_record_bytes && size_bytes > max_indexed_bytes) {
    // The record is too large anyway. Only its end matters, after which the line continues.
    decoder_.record.raw = {at_, size_bytes};
    const char* at = at_;
    return is_utf8(at_, size_bytes) && JsonScanner().scan(at, end) == SkipResult::complete && at == end;
  }
  if (!line_index_.index(at_, size_bytes)) return false;
  decoder_.attach(line_index_, at_, end);
  return decoder_.parse_object() && decoder_.record.raw.end() == end;
}

// The position where the brackets of the object at at_ balance, which is its end if it is JSON.
bool Cursor::cut_object(const char*& end) const {
  BracketCounter brackets;
  for (const char* at = at_; at < line_stop_; ++at) {
    brackets.count(*at);
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

CFDNS_FLATTEN Turn Cursor::resolve() {
  event.resolve(decoder_.record);
  ++events;
  return Turn::event;
}

Turn Cursor::refuse(const char* from, const char* to, RejectCode code) {
  reject.line = newlines_ + 1;
  reject.byte_offset = window_offset_ + static_cast<uint64_t>(from - buffer_.data());
  reject.byte_length = static_cast<uint64_t>(to - from);
  reject.code = code;
  reject.raw = {from, static_cast<size_t>(std::min<uint64_t>(reject.byte_length, raw_limit_bytes_))};
  return Turn::reject;
}

void Cursor::pause() {
  if (!in_document_) return;
  blank = document_.padding_runs();
  move_to(document_.position());
}

// Count the newlines before the next item, or before the position where reading stops.
void Cursor::move_to(const char* next) {
  newlines_ += static_cast<uint64_t>(std::count(data_.data + window_offset_, next, '\n'));
  window_offset_ = static_cast<uint64_t>(next - data_.data);
}

Turn Cursor::next_item() {
  Slice item;
  DocumentSplitter::Found found = document_.next(item);
  blank = document_.padding_runs();
  move_to(found == DocumentSplitter::Found::end ? document_.position() : item.data);
  if (found == DocumentSplitter::Found::end) return Turn::end;
  if (found == DocumentSplitter::Found::fault) return refuse_item(item, RejectCode::syntax);
  if (item.size_bytes > plan_.max_record_bytes) return refuse_item(item, RejectCode::too_large);
  buffer_.reserve(item.size_bytes, 0);
  at_ = buffer_.data();
  std::memcpy(buffer_.data(), item.data, item.size_bytes);
  std::memset(buffer_.data() + item.size_bytes, 0, padding_bytes);
  const char* end = at_ + item.size_bytes;
  if (*at_ != '{' || !line_index_.index(at_, item.size_bytes)) return refuse_item(item, reason_.of(at_, end));
  decoder_.attach(line_index_, at_, end);
  if (!decoder_.parse_object() || decoder_.record.raw.end() != end) return refuse_item(item, reason_.of(at_, end));
  return decoder_.record.lone_surrogate ? refuse_item(item, RejectCode::surrogate) : resolve();
}

Turn Cursor::refuse_item(Slice item, RejectCode code) {
  at_ = buffer_.data();
  reject.line = newlines_ + 1;
  reject.byte_offset = window_offset_;
  reject.byte_length = item.size_bytes;
  reject.code = code;
  reject.raw = {item.data, std::min(item.size_bytes, raw_limit_bytes_)};
  return Turn::reject;
}

void Cursor::trim() {
  data_ = {};
  constexpr size_t max_idle_bytes = 8 * window_bytes;
  buffer_.trim(max_idle_bytes);
  event.trim(max_idle_bytes);
  decoder_.trim(max_idle_bytes);
  reason_.trim(max_idle_bytes);
  reject = Reject();
  window_index_.trim(max_idle_bytes);
  line_index_.trim(max_idle_bytes);
}

}  // namespace cfdns
