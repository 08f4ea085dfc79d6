// Validate and resolve the escapes of JSON strings (RFC 8259 section 7).
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

enum class EscapeResult : uint8_t { ok, broken, lone_surrogate };

namespace detail {

inline int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The value of the four digits of \uXXXX at `at`; -1 if they are incomplete or not hexadecimal.
inline int32_t hex4(const char* at, const char* end) {
  if (end - at < 4) return -1;
  int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    int digit = hex_value(at[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

inline char simple_escape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

inline char* write_utf8(char* to, uint32_t c) {
  if (c < 0x80) {
    *to++ = static_cast<char>(c);
  } else if (c < 0x800) {
    *to++ = static_cast<char>(0xC0 | c >> 6);
    *to++ = static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *to++ = static_cast<char>(0xE0 | c >> 12);
    *to++ = static_cast<char>(0x80 | (c >> 6 & 0x3F));
    *to++ = static_cast<char>(0x80 | (c & 0x3F));
  } else {
    *to++ = static_cast<char>(0xF0 | c >> 18);
    *to++ = static_cast<char>(0x80 | (c >> 12 & 0x3F));
    *to++ = static_cast<char>(0x80 | (c >> 6 & 0x3F));
    *to++ = static_cast<char>(0x80 | (c & 0x3F));
  }
  return to;
}

inline bool high_surrogate(int32_t c) { return c >= 0xD800 && c < 0xDC00; }
inline bool low_surrogate(int32_t c) { return c >= 0xDC00 && c < 0xE000; }

}  // namespace detail

// Resolve escapes into `to`, which has as many bytes as the text: an escape is never shorter than its character. An
// unpaired surrogate is left out and reported, unless an escape is invalid.
inline EscapeResult unescape(Slice text, char* to, size_t& size_bytes) {
  using namespace detail;
  const char* at = text.data;
  const char* end = text.end();
  char* start = to;
  EscapeResult result = EscapeResult::ok;
  while (at < end) {
    const char* backslash = find(at, end, '\\');
    size_t plain = static_cast<size_t>((backslash ? backslash : end) - at);
    std::memmove(to, at, plain);
    to += plain;
    if (!backslash) break;
    at = backslash + 1;
    if (at == end) return EscapeResult::broken;
    if (*at != 'u') {
      char c = simple_escape(*at++);
      if (c == 0) return EscapeResult::broken;
      *to++ = c;
      continue;
    }
    int32_t c = hex4(at + 1, end);
    if (c < 0) return EscapeResult::broken;
    at += 5;
    if (high_surrogate(c) && end - at >= 2 && at[0] == '\\' && at[1] == 'u') {
      int32_t low = hex4(at + 2, end);
      if (low < 0) return EscapeResult::broken;
      if (low_surrogate(low)) {
        to = write_utf8(to, 0x10000u + (static_cast<uint32_t>(c - 0xD800) << 10) + static_cast<uint32_t>(low - 0xDC00));
        at += 6;
        continue;
      }
    }
    if (high_surrogate(c) || low_surrogate(c)) {
      result = EscapeResult::lone_surrogate;
      continue;
    }
    to = write_utf8(to, static_cast<uint32_t>(c));
  }
  size_bytes = static_cast<size_t>(to - start);
  return result;
}

}  // namespace cfdns
