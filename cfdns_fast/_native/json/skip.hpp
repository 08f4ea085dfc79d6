// Skip values by brackets and strings alone, which also works for text that is not valid JSON.
#pragma once

#include <string_view>

#include "json/scalar_scanner.hpp"
#include "support/bytes.hpp"

namespace cfdns {

// Counts the brackets that are open outside strings. A closing bracket without an opening one is ignored.
class BracketCounter {
 public:
  // Count one more byte.
  void count(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      escaped_ = c == '\\';
      in_string_ = c != '"';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if ((c == '}' || c == ']') && depth_ != 0) {
      --depth_;
    }
  }
  size_t depth() const { return depth_; }
  bool in_string() const { return in_string_; }

 private:
  size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

// The result of skipping a value. An incomplete value needs more text, and an invalid one cannot become a value.
enum class SkipResult : uint8_t { complete, incomplete, invalid };

inline void skip_space(const char*& at, const char* end) {
  while (at < end && is_space(*at)) ++at;
}

// Skip the array or object at `at`, if its brackets balance before the end. A newline in a string is invalid, because a
// missing quote would otherwise hide all following text.
inline SkipResult skip_brackets(const char*& at, const char* end) {
  BracketCounter brackets;
  for (const char* next = at; next < end; ++next) {
    if (*next == '\n' && brackets.in_string()) return SkipResult::invalid;
    brackets.count(*next);
    if (brackets.depth() == 0) {
      at = next + 1;
      return SkipResult::complete;
    }
  }
  return SkipResult::incomplete;
}

// Skip the string whose quote is at `at`.
inline SkipResult skip_string(const char*& at, const char* end) {
  for (const char* next = at + 1; next < end; ++next) {
    if (*next == '\n') return SkipResult::invalid;
    if (*next == '"') {
      at = next + 1;
      return SkipResult::complete;
    }
    if (*next == '\\' && ++next < end && *next == '\n') return SkipResult::invalid;
  }
  return SkipResult::incomplete;
}

// Whether `c` ends a number or word.
inline bool ends_token(char c) {
  constexpr std::string_view marks = ",:\"[]{}";
  return is_space(c) || marks.find(c) != std::string_view::npos;
}

// Skip a number or word, up to a byte that ends it.
inline SkipResult skip_token(const char*& at, const char* end) {
  const char* next = at;
  while (next < end && !ends_token(*next)) ++next;
  if (next == at) return SkipResult::invalid;
  bool cut = next == end;
  at = next;
  return cut ? SkipResult::incomplete : SkipResult::complete;
}

inline SkipResult skip_colon(const char*& at, const char* end) {
  skip_space(at, end);
  if (at < end && *at != ':') return SkipResult::invalid;
  if (at < end) skip_space(++at, end);
  return at == end ? SkipResult::incomplete : SkipResult::complete;
}

inline SkipResult skip_value(const char*& at, const char* end) {
  if (*at == '{' || *at == '[') return skip_brackets(at, end);
  if (*at == '"') return skip_string(at, end);
  const char* start = at;
  SkipResult result = skip_token(at, end);
  return result == SkipResult::complete && !is_scalar(start, at) ? SkipResult::invalid : result;
}

}  // namespace cfdns
