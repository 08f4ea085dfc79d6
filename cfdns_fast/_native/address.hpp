// IP address literals as Python's ipaddress takes them, without zone ids: dotted quads without leading zeros, and
// RFC 4291 section 2.2 text for IPv6.
#pragma once

#include "bytes.hpp"

namespace cfdns {

inline bool is_ipv4(const char* at, const char* end) {
  for (int octet = 0; octet < 4; ++octet) {
    if (octet != 0 && (at == end || *at++ != '.')) return false;
    const char* digits = at;
    int value = 0;
    while (at < end && is_digit(*at) && at - digits < 3) value = value * 10 + (*at++ - '0');
    if (at == digits || value > 255 || (*digits == '0' && at - digits > 1)) return false;
  }
  return at == end;
}

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
    while (at < end && at - group < 4) {
      char lower = static_cast<char>(*at | 0x20);
      if (!is_digit(*at) && (lower < 'a' || lower > 'f')) break;
      ++at;
    }
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
  return is_ipv4(text.data, text.end()) || is_ipv6(text.data, text.end());
}

}  // namespace cfdns
