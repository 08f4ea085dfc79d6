// LongRecord: finds the end of an NDJSON record that is longer than max_record_bytes. The record is a reject, and ends
// with its object, or with its line (or piece, if there is a delimiter).
#pragma once

#include <string>

#include "framing/delimiter.hpp"
#include "framing/read_options.hpp"
#include "json/indexer.hpp"
#include "json/scanner.hpp"

namespace cfdns {

class LongRecord {
 public:
  // The number of bytes above max_record_bytes from which a record is too large wherever it ends: a CR may belong to
  // the line end, and the delimiter may begin before the last bytes.
  static size_t margin_bytes(const std::string& delimiter) {
    return delimiter.empty() ? 1 : static_cast<size_t>(Delimiter::max_gap_bytes) + 2 * delimiter.size() + 1;
  }

  explicit LongRecord(const std::string& delimiter) : delimiter_(delimiter) {}

  // Read on, at first from the start of the record. True if the record ends after the bytes taken; otherwise the next
  // text must begin with the first byte that was not taken. `final`: no data follows.
  bool read(Slice text, const ReadOptions& options, size_t& read_bytes) {
    bool final = options.final;
    text_ = text;
    const char* at = text.data + ahead_bytes_;
    const char* newline = find(at, text.end(), '\n');
    line_ends_ = newline != nullptr || final;
    stop_ = newline != nullptr ? newline : text.end();
    // A CR before the newline belongs to the line end.
    if ((newline != nullptr || !final) && stop_ > at && stop_[-1] == '\r') --stop_;
    done_ = text.data;
    Next next = Next::step;
    while (next == Next::step) next = step(at);
    if (next == Next::line_end) {
      next = line_ends_ ? Next::record_end : Next::more;
      if (line_ends_) done_ = stop_;
    }
    read_bytes = static_cast<size_t>(done_ - text.data);
    ahead_bytes_ = static_cast<size_t>(at - done_);
    before_bytes_ += read_bytes;
    return next == Next::record_end;
  }

 private:
  enum class State : uint8_t { object, between_objects, line, delimiter };
  enum class Next : uint8_t { step, more, line_end, record_end };

  Next step(const char*& at) {
    switch (state_) {
      case State::object: return object(at);
      case State::between_objects: return between_objects(at);
      case State::line: done_ = at = stop_; return Next::line_end;
      default: return delimiter(at);
    }
  }

  Next object(const char*& at) {
    SkipResult result = scanner_.scan(at, stop_);
    bool cut = result == SkipResult::incomplete && !line_ends_;
    if (is_record_) check_utf8(at, cut);
    if (result == SkipResult::complete) {
      done_ = at;
      if (is_record_) return Next::record_end;
      state_ = delimiter_.empty() ? State::line : State::between_objects;
      return Next::step;
    }
    if (delimiter_.empty()) {
      if (!cut || !is_record_) state_ = State::line;
      if (cut && is_record_) done_ = position(checked_bytes_);
      return cut && is_record_ ? Next::more : Next::step;
    }
    uint64_t fitting_bytes = cut ? scanner_.fitting_bytes() : scanner_.fitting_bytes_at_end();
    uint64_t search = object_bytes_ + delimiter_.search_bytes(fitting_bytes, bytes_at(at) - object_bytes_);
    if (!cut) {
      at = position(search);
      state_ = State::delimiter;
      return Next::step;
    }
    done_ = position(is_record_ && checked_bytes_ < search ? checked_bytes_ : search);
    return Next::more;
  }

  // Validate the record's bytes up to `at`. `cut`: the last character may be incomplete.
  void check_utf8(const char* at, bool cut) {
    const char* from = position(checked_bytes_);
    for (ptrdiff_t back = 1; cut && back <= 3 && back <= at - from; ++back) {
      unsigned char c = static_cast<unsigned char>(at[-back]);
      if ((c & 0xC0) == 0x80) continue;
      ptrdiff_t size_bytes = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
      if (size_bytes > back) at -= back;
      break;
    }
    is_record_ = is_utf8(from, static_cast<size_t>(at - from));
    checked_bytes_ = bytes_at(at);
  }

  // Find the delimiter after an object, or the next object.
  Next between_objects(const char*& at) {
    while (at < stop_ && !delimiter_.is_at(at, stop_)) {
      done_ = at;
      if (!line_ends_ && delimiter_.may_begin_at(at, stop_)) return Next::more;
      if (!is_line_space(*at)) {
        scanner_ = JsonScanner();
        object_bytes_ = bytes_at(at);
        state_ = State::object;
        return Next::step;
      }
      ++at;
    }
    done_ = at;
    return at < stop_ ? Next::record_end : Next::line_end;
  }

  // Find the delimiter from `at` on, whatever precedes it.
  Next delimiter(const char*& at) {
    const char* found = delimiter_.find_from(at, stop_);
    ptrdiff_t half_bytes = static_cast<ptrdiff_t>(delimiter_.size_bytes() - 1);
    if (found != nullptr) {
      at = found;
    } else if (stop_ - at > half_bytes) {
      at = stop_ - half_bytes;
    }
    done_ = at;
    return found != nullptr ? Next::record_end : Next::line_end;
  }

  // Convert a position to a number of bytes of the record, and back.
  uint64_t bytes_at(const char* at) const { return before_bytes_ + static_cast<uint64_t>(at - text_.data); }
  const char* position(uint64_t bytes) const { return text_.data + (bytes - before_bytes_); }

  const Delimiter delimiter_;
  State state_ = State::object;
  JsonScanner scanner_;
  bool is_record_ = true;       // the current object is the first one
  uint64_t object_bytes_ = 0;   // number of bytes before the current object
  uint64_t checked_bytes_ = 0;  // number of bytes that were validated as UTF-8
  uint64_t before_bytes_ = 0;   // number of bytes taken by earlier calls
  size_t ahead_bytes_ = 0;      // number of bytes that were read and not taken

  // The text of the current call.
  Slice text_;
  const char* stop_ = nullptr;  // the end of the line, or of the text
  const char* done_ = nullptr;  // everything before it belongs to the record
  bool line_ends_ = false;      // the line ends at stop_
};

}  // namespace cfdns
