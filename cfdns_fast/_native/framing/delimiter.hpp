// Delimiter: the text that separates records within a line, and where to search for it.
#pragma once

#include <string>

#include "framing/lines.hpp"
#include "json/scanner.hpp"
#include "support/bytes.hpp"

namespace cfdns {

class Delimiter {
 public:
  // The delimiter begins at most this many bytes before the first byte that is not JSON, so a longer run of space or of
  // digits need not be searched.
  static constexpr uint64_t max_gap_bytes = 64;

  explicit Delimiter(const std::string& text) : text_(text) {}

  bool empty() const { return text_.empty(); }
  size_t size_bytes() const { return text_.size(); }

  bool is_at(const char* at, const char* stop) const {
    return !empty() && at < stop && *at == text_[0] && static_cast<size_t>(stop - at) >= text_.size() &&
           std::memcmp(at, text_.data(), text_.size()) == 0;
  }

  // Whether the delimiter may begin at `at`, where the text is too short to decide.
  bool may_begin_at(const char* at, const char* stop) const {
    size_t left = static_cast<size_t>(stop - at);
    return left < text_.size() && std::memcmp(at, text_.data(), left) == 0;
  }

  // The first delimiter from `from` on, or null.
  const char* find_from(const char* from, const char* stop) const {
    for (; static_cast<size_t>(stop - from) >= text_.size(); ++from) {
      from = find(from, stop, text_[0]);
      if (from == nullptr) return nullptr;
      if (is_at(from, stop)) return from;
    }
    return nullptr;
  }

  // The delimiter after the objects at `from`, or null. After anything else it is the first one that reaches the byte
  // where JSON stops, even within a string, so that a truncated record costs at most one more.
  const char* find_after_objects(const char* from, const char* stop, bool line_ends) const {
    for (;;) {
      while (from < stop && !is_at(from, stop) && is_line_space(*from)) ++from;
      if (from == stop) return nullptr;
      if (is_at(from, stop)) return from;
      JsonScanner scanner;
      const char* at = from;
      SkipResult result = scanner.scan(at, stop);
      if (result == SkipResult::incomplete && !line_ends) return nullptr;
      if (result != SkipResult::complete) {
        from += search_bytes(scanner.fitting_bytes_at_end(), static_cast<uint64_t>(at - from));
        return find_from(from, stop);
      }
      from = at;
    }
  }

  // The offset in a record from which to search for the delimiter that ends it. `fitting_bytes` end with a whole token
  // or within a string, and the byte after `fault_bytes` is invalid.
  uint64_t search_bytes(uint64_t fitting_bytes, uint64_t fault_bytes) const {
    uint64_t gap_start = fault_bytes > max_gap_bytes ? fault_bytes - max_gap_bytes : 0;
    uint64_t start = fitting_bytes > gap_start ? fitting_bytes : gap_start;
    return start > text_.size() ? start - text_.size() : 0;
  }

 private:
  const std::string& text_;
};

}  // namespace cfdns
