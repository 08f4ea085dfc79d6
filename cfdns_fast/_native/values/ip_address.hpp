// IP address literals as Python's ipaddress takes them, without zone ids: dotted quads without leading zeros, and
// RFC 4291 section 2.2 text for IPv6.
#pragma once

#include "support/simd.hpp"

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

inline bool is_ipv4_plainly(const char* at, const char* end) {
  for (int octet = 0; octet < 3; ++octet) {
    if (!skip_octet(at, end) || at == end || *at++ != '.') return false;
  }
  return skip_octet(at, end) && at == end;
}

#ifdef CFDNS_X64

// The same by masks, without a branch for each digit: octets are of any length, and a CPU cannot foretell which (measured:
// 3 % of NDJSON). Reads 16 bytes.
inline bool is_ipv4_by_masks(const char* at, size_t size_bytes) {
  constexpr size_t longest = 15;
  if (size_bytes == 0 || size_bytes > longest) return false;
  const __m128i bytes = load16(at);
  const uint32_t inside = (1u << size_bytes) - 1;
  const uint32_t dots = mask_equal(bytes, '.') & inside;
  const uint32_t digits = mask_greater(bytes, '0' - 1) & ~mask_greater(bytes, '9') & inside;
  const uint32_t starts = ((dots << 1) | 1) & inside;
  const uint32_t twos = starts & (digits >> 1);  // octets of two digits or more
  const uint32_t threes = twos & (digits >> 2);
  // Octets without a digit, of four or more, or with a leading zero.
  uint32_t wrong = (starts & ~digits) | (threes & (digits >> 3)) | (twos & mask_equal(bytes, '0'));
  // Those above 255.
  const uint32_t above_55 =
      (mask_greater(bytes, '5') >> 1) | ((mask_equal(bytes, '5') >> 1) & (mask_greater(bytes, '5') >> 2));
  wrong |= threes & (mask_greater(bytes, '2') | (mask_equal(bytes, '2') & above_55));
  const uint32_t upper_dots = dots & (dots - 1);
  const bool three_dots = upper_dots != 0 && (upper_dots & (upper_dots - 1)) != 0 &&
                          ((upper_dots & (upper_dots - 1)) & ((upper_dots & (upper_dots - 1)) - 1)) == 0;
  return ((dots | digits) == inside) & (wrong == 0) & three_dots & (dots >> (size_bytes - 1) == 0);
}

#endif

// Of padded text.
inline bool is_ipv4(const char* at, const char* end) {
#ifdef CFDNS_X64
  if (simd_level != SimdLevel::plain) return is_ipv4_by_masks(at, static_cast<size_t>(end - at));
#endif
  return is_ipv4_plainly(at, end);
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

// Where the colons and hexadecimal digits of a text of at most 48 bytes are; bit i stands for byte i.
struct ColonsAndDigits {
  uint64_t colons = 0;
  uint64_t digits = 0;

  // Of padded text.
  ColonsAndDigits(const char* at, size_t size_bytes) {
#ifdef CFDNS_X64
    if (simd_level != SimdLevel::plain) {
      for (size_t i = 0; i < size_bytes; i += 16) {
        const __m128i bytes = load16(at + i);
        const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const uint32_t letters = mask_greater(lower, 'a' - 1) & ~mask_greater(lower, 'f');
        const uint32_t decimals = mask_greater(bytes, '0' - 1) & ~mask_greater(bytes, '9');
        colons |= uint64_t{mask_equal(bytes, ':')} << i;
        digits |= uint64_t{letters | decimals} << i;
      }
      return;
    }
#endif
    for (size_t i = 0; i < size_bytes; ++i) {
      colons |= uint64_t{at[i] == ':'} << i;
      digits |= uint64_t{hex_table.hex[static_cast<unsigned char>(at[i])]} << i;
    }
  }
};

}  // namespace detail

// By masks, without a branch for each digit: groups are of any length (measured: 10 % of NDJSON where all addresses are of
// IPv6, 2.6 % where one in four is).
inline bool is_ipv6(const char* at, const char* end) {
  if (end - at < 2 || end - at > 45) return false;
  size_t size_bytes = static_cast<size_t>(end - at);
  auto [colons, digits] = detail::ColonsAndDigits(at, size_bytes);
  uint64_t inside = (uint64_t{1} << size_bytes) - 1;
  colons &= inside;
  digits &= inside;
  if (colons == 0) return false;
  if ((colons | digits) != inside) {
    // Perhaps the last two groups are an IPv4 address: go on as if that were "0:0".
    size_t tail = highest_bit(colons) + 1;
    if (!is_ipv4(at + tail, end)) return false;
    inside = (uint64_t{1} << (tail + 3)) - 1;
    digits = (digits & (inside >> 3)) | uint64_t{5} << tail;
    colons |= uint64_t{2} << tail;
    if ((colons | digits) != inside) return false;
  }
  const uint64_t twos = digits & (digits << 1);
  const uint64_t groups = digits & ~(digits << 1);              // their first digits
  if ((twos & (twos << 2) & (digits << 4)) != 0) return false;  // five digits
  const uint64_t first = 1, last = (inside >> 1) + 1;
  const uint64_t gap = colons & (colons << 1);  // the second colon of a pair
  if (gap == 0) return (colons & (first | last)) == 0 && count_bits(groups) == 8;
  return (gap & (gap - 1)) == 0 && ((colons & first) == 0 || gap == first << 1) &&
         ((colons & last) == 0 || gap == last) && count_bits(groups) <= 7;
}

inline bool is_ip(Slice text) {
  if (text.size_bytes < 2) return false;
  // Most names end in a letter that no address ends in.
  char last = text.end()[-1];
  if (!detail::hex_table.hex[static_cast<unsigned char>(last)] && last != ':') return false;
#ifdef CFDNS_X64
  if (simd_level != SimdLevel::plain) {
    const uint32_t early = text.size_bytes < 5 ? (1u << text.size_bytes) - 1 : 0x1F;
    bool colon = (mask_equal(load16(text.data), ':') & early) != 0;
    return colon ? is_ipv6(text.data, text.end()) : is_ipv4(text.data, text.end());
  }
#endif
  // The first group ends in the character that tells which it can be.
  const char* end = text.end();
  const char* at = text.data;
  const char* longest = text.size_bytes < 5 ? end : at + 5;
  while (at < longest && *at != ':' && *at != '.') ++at;
  return at < longest && (*at == ':' ? is_ipv6(text.data, end) : is_ipv4(text.data, end));
}

}  // namespace cfdns
