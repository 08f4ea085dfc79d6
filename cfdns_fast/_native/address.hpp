// IP address literals as Python's ipaddress takes them, without zone ids: dotted quads without leading zeros, and
// RFC 4291 section 2.2 text for IPv6.
#pragma once

#include "bytes.hpp"

namespace cfdns {

// An octet of one to three digits without leading zeros; moves behind it.
inline bool skip_octet(const char*& at, const char* end) {
  if (at == end || !is_digit(*at)) return false;
  int value = *at++ - '0';
  if (at == end || !is_digit(*at)) return true;
  if (value == 0) return false;
  value = value * 10 + (*at++ - '0');
  if (at == end || !is_digit(*at)) return true;
  value = value * 10 + (*at++ - '0');
  return value <= 255;
}

inline bool is_ipv4(const char* at, const char* end) {
  for (int octet = 0; octet < 3; ++octet) {
    if (!skip_octet(at, end) || at == end || *at++ != '.') return false;
  }
  return skip_octet(at, end) && at == end;
}

namespace detail {

inline constexpr bool is_hex(char c) {
  char lower = static_cast<char>(c | 0x20);
  return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

struct HexTable {
  bool hex[256] = {};
  constexpr HexTable() {
    for (int c = 0; c < 256; ++c) hex[c] = is_hex(static_cast<char>(c));
  }
};

inline constexpr HexTable hex_table{};

}  // namespace detail

inline bool is_ipv6(const char* at, const char* end) {
  if (end - at < 2 || end - at > 45) return false;
  int groups = 0;
  bool gap = false;
  if (*at == ':') {
    if (at[1] != ':') return false;
    gap = true;
    at += 2;
  }
  while (at < end) {
    const char* group = at;
    const char* group_end = end - at < 4 ? end : at + 4;
    while (at < group_end && detail::hex_table.hex[static_cast<unsigned char>(*at)]) ++at;
    if (at < end && *at == '.') {
      if (!is_ipv4(group, end)) return false;
      groups += 2;
      at = end;
      break;
    }
    if (at == group) return false;
    ++groups;
    if (at == end) break;
    if (*at++ != ':') return false;
    if (at == end) return false;
    if (*at == ':') {
      if (gap) return false;
      gap = true;
      ++at;
    }
  }
  return gap ? groups <= 7 : groups == 8;
}

inline bool is_ip(Slice text) {
  if (text.size_bytes < 2) return false;
  // Most names end in a letter that no address ends in.
  char last = text.end()[-1];
  if (!detail::hex_table.hex[static_cast<unsigned char>(last)] && last != ':') return false;
  // The first group ends in the character that tells which it can be.
  const char* end = text.end();
  const char* at = text.data;
  const char* longest = text.size_bytes < 5 ? end : at + 5;
  while (at < longest && *at != ':' && *at != '.') ++at;
  return at < longest && (*at == ':' ? is_ipv6(text.data, end) : is_ipv4(text.data, end));
}

}  // namespace cfdns
