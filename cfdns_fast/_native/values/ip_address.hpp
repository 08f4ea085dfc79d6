// IP addresses as Python's ipaddress accepts them, but without zone ids: dotted quads without leading zeros, and IPv6
// text by RFC 4291 section 2.2.
#pragma once

#include "support/simd.hpp"

namespace cfdns {

// Skip an octet of one to three digits without leading zeros.
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

inline bool is_ipv4_plain(const char* at, const char* end) {
  for (int octet = 0; octet < 3; ++octet) {
    if (!skip_octet(at, end) || at == end || *at++ != '.') return false;
  }
  return skip_octet(at, end) && at == end;
}

#ifdef CFDNS_X64

// The same by one bit for each byte, without branches: the number of digits in an octet is random, so a branch on it is
// often mispredicted. See also Wojciech Mula, "SIMD-ized faster parse of IPv4 addresses", 2023.
inline bool is_ipv4_by_masks(const char* at, size_t size_bytes) {
  constexpr size_t longest = 15;
  if (size_bytes == 0 || size_bytes > longest) return false;
  const __m128i bytes = load16(at);
  const uint32_t inside = (1u << size_bytes) - 1;
  const uint32_t dots = mask_equal(bytes, '.') & inside;
  const uint32_t digits = mask_greater(bytes, '0' - 1) & ~mask_greater(bytes, '9') & inside;
  const uint32_t starts = ((dots << 1) | 1) & inside;
  const uint32_t twos = starts & (digits >> 1);  // octets of two or more digits
  const uint32_t threes = twos & (digits >> 2);
  // Octets without a digit, with more than three digits, or with a leading zero are invalid.
  uint32_t wrong = (starts & ~digits) | (threes & (digits >> 3)) | (twos & mask_equal(bytes, '0'));
  // Octets above 255 are invalid.
  const uint32_t above_55 =
      (mask_greater(bytes, '5') >> 1) | ((mask_equal(bytes, '5') >> 1) & (mask_greater(bytes, '5') >> 2));
  wrong |= threes & (mask_greater(bytes, '2') | (mask_equal(bytes, '2') & above_55));
  const uint32_t upper_dots = dots & (dots - 1);
  const bool three_dots = upper_dots != 0 && (upper_dots & (upper_dots - 1)) != 0 &&
                          ((upper_dots & (upper_dots - 1)) & ((upper_dots & (upper_dots - 1)) - 1)) == 0;
  return ((dots | digits) == inside) & (wrong == 0) & three_dots & (dots >> (size_bytes - 1) == 0);
}

#endif

// The text must be padded.
inline bool is_ipv4(const char* at, const char* end) {
#ifdef CFDNS_X64
  if (simd_level != SimdLevel::plain) return is_ipv4_by_masks(at, static_cast<size_t>(end - at));
#endif
  return is_ipv4_plain(at, end);
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

// The positions of colons and hexadecimal digits in at most 48 bytes of text. Bit i stands for byte i.
struct ColonsAndDigits {
  uint64_t colons = 0;
  uint64_t digits = 0;

  // The text must be padded.
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

// The masks avoid branches on the random number of digits in a group, as in is_ipv4_by_masks.
inline bool is_ipv6(const char* at, const char* end) {
  if (end - at < 2 || end - at > 45) return false;
  size_t size_bytes = static_cast<size_t>(end - at);
  auto [colons, digits] = detail::ColonsAndDigits(at, size_bytes);
  uint64_t inside = (uint64_t{1} << size_bytes) - 1;
  colons &= inside;
  digits &= inside;
  if (colons == 0) return false;
  if ((colons | digits) != inside) {
    // The last two groups may be an IPv4 address. The masks then continue as if its text were "0:0".
    size_t tail = highest_bit(colons) + 1;
    if (!is_ipv4(at + tail, end)) return false;
    inside = (uint64_t{1} << (tail + 3)) - 1;
    digits = (digits & (inside >> 3)) | uint64_t{5} << tail;
    colons |= uint64_t{2} << tail;
    if ((colons | digits) != inside) return false;
  }
  const uint64_t twos = digits & (digits << 1);
  const uint64_t groups = digits & ~(digits << 1);              // the first digit of each group
  if ((twos & (twos << 2) & (digits << 4)) != 0) return false;  // a group of five digits
  const uint64_t first = 1, last = (inside >> 1) + 1;
  const uint64_t gap = colons & (colons << 1);  // the second colon of "::"
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
  // The character after the first group shows whether the address can be IPv4 or IPv6.
  const char* end = text.end();
  const char* at = text.data;
  const char* longest = text.size_bytes < 5 ? end : at + 5;
  while (at < longest && *at != ':' && *at != '.') ++at;
  return at < longest && (*at == ':' ? is_ipv6(text.data, end) : is_ipv4(text.data, end));
}

}  // namespace cfdns
