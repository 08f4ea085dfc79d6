// Numbers as text: the JSON grammar, 64-bit integers, and the range of a double.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

#include "support/bytes.hpp"
#include "support/compiler.hpp"

namespace cfdns {

struct NumberForm {
  bool valid = false;
  bool integer = false;  // without fraction and exponent
};

inline const char* skip_digits(const char* at, const char* end) {
  while (at < end && is_digit(*at)) ++at;
  return at;
}

namespace detail {

// Whether all eight bytes are ASCII digits: the upper half of each is 3, and still is after 6 is added. From simdjson
// and fast_float (is_made_of_eight_digits_fast).
inline bool all_digits(uint64_t word) {
  constexpr uint64_t upper_halves = 0xF0F0F0F0F0F0F0F0u;
  constexpr uint64_t sixes = 0x0606060606060606u;
  return ((word & upper_halves) | (((word + sixes) & upper_halves) >> 4)) == 0x3333333333333333u;
}

// The value of eight ASCII digits, by pairs, then fours (simdjson and fast_float, parse_eight_digits_unrolled).
inline uint64_t eight_digits(uint64_t word) {
  word = (word & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
  word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
  return (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
}

// The first size_bytes (1 to 8) bytes of a word after leading zeros.
inline uint64_t zero_filled(uint64_t word, size_t size_bytes) {
  constexpr uint64_t zeros = 0x3030303030303030u;
  if (size_bytes == 8) return word;
  return word << (64 - 8 * size_bytes) | zeros >> (8 * size_bytes);
}

}  // namespace detail

// The text must be padded, because whole words are read.
inline bool is_all_digits(const char* at, size_t size_bytes) {
  for (; size_bytes > 8; at += 8, size_bytes -= 8) {
    if (!detail::all_digits(load64(at))) return false;
  }
  return size_bytes != 0 && detail::all_digits(detail::zero_filled(load64(at), size_bytes));
}

// The value of 1 to 19 digits.
inline uint64_t digits_value(const char* at, size_t size_bytes) {
  uint64_t value = 0;
  size_t first = size_bytes % 8;
  if (first != 0) value = detail::eight_digits(detail::zero_filled(load64(at), first));
  for (size_t done = first; done < size_bytes; done += 8) {
    value = value * 100000000 + detail::eight_digits(load64(at + done));
  }
  return value;
}

// RFC 8259 section 6. The text must be exactly the number.
CFDNS_INLINE inline NumberForm number_form(const char* at, const char* end) {
  // Most numbers are integers without a sign, and many have one digit.
  if (end - at == 1) return {is_digit(*at), true};
  if (at < end && *at != '0' && is_all_digits(at, static_cast<size_t>(end - at))) return {true, true};
  if (at < end && *at == '-') ++at;
  const char* digits = at;
  at = skip_digits(at, end);
  if (at == digits || (*digits == '0' && at - digits > 1)) return {};
  if (at == end) return {true, true};
  if (*at == '.') {
    digits = ++at;
    at = skip_digits(at, end);
    if (at == digits) return {};
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at < end && (*at == '+' || *at == '-')) ++at;
    digits = at;
    at = skip_digits(at, end);
    if (at == digits) return {};
  }
  return {at == end, false};
}

constexpr size_t max_integer_bytes = 20;

// Returns the end. At most max_integer_bytes bytes are written. Writers mostly copy the text of a number instead.
CFDNS_NOINLINE inline char* write_integer(char* to, int64_t value) {
  return std::to_chars(to, to + max_integer_bytes, value).ptr;
}

enum class IntegerResult : uint8_t { ok, malformed, fraction, out_of_range };

// The maximum number of digits of a signed 64-bit integer. As many digits always fit into an unsigned one.
constexpr ptrdiff_t max_integer_digits = 19;

inline IntegerResult signed_value(uint64_t magnitude, bool negative, int64_t& value) {
  uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (magnitude > limit) return IntegerResult::out_of_range;
  value = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return IntegerResult::ok;
}

// Parse -?[0-9]+ as a signed 64-bit integer (ECS `long`). Leading zeros are allowed.
inline IntegerResult parse_integer(Slice text, int64_t& value) {
  auto [end, error] = std::from_chars(text.data, text.end(), value);
  if (error == std::errc::invalid_argument || end != text.end()) return IntegerResult::malformed;
  return error == std::errc() ? IntegerResult::ok : IntegerResult::out_of_range;
}

// A decimal 0.d1d2d3... x 10^point, where d1 is not zero. Zero has no digits.
struct Decimal {
  bool negative = false;
  Slice whole;     // digits before the point, without leading zeros
  Slice fraction;  // digits after the point, without leading zeros if `whole` is empty
  int64_t point = 0;

  bool zero() const { return whole.size_bytes == 0 && fraction.size_bytes == 0; }
  size_t digit_count() const { return whole.size_bytes + fraction.size_bytes; }
  char digit(size_t i) const { return i < whole.size_bytes ? whole.data[i] : fraction.data[i - whole.size_bytes]; }
};

// Parse [+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?. An exponent above 10^15 is reduced to about that, because no text is
// long enough to show the difference.
inline bool parse_decimal(Slice text, Decimal& out) {
  const char* at = text.data;
  const char* end = text.end();
  out = Decimal();
  if (at < end && (*at == '-' || *at == '+')) out.negative = *at++ == '-';
  const char* digits = at;
  at = skip_digits(at, end);
  if (at == digits) return false;
  out.whole = {digits, static_cast<size_t>(at - digits)};
  if (at < end && *at == '.') {
    digits = ++at;
    at = skip_digits(at, end);
    if (at == digits) return false;
    out.fraction = {digits, static_cast<size_t>(at - digits)};
  }
  int64_t exponent = 0;
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '+' || *at == '-')) ++at;
    if (at == end) return false;
    for (; at < end && is_digit(*at); ++at) {
      if (exponent < 1000000000000000) exponent = exponent * 10 + (*at - '0');
    }
    if (negative) exponent = -exponent;
  }
  if (at != end) return false;
  while (out.whole.size_bytes != 0 && *out.whole.data == '0') ++out.whole.data, --out.whole.size_bytes;
  out.point = static_cast<int64_t>(out.whole.size_bytes) + exponent;
  if (out.whole.size_bytes == 0) {
    while (out.fraction.size_bytes != 0 && *out.fraction.data == '0') {
      ++out.fraction.data, --out.fraction.size_bytes, --out.point;
    }
  }
  return true;
}

// Whether a number rounds to infinity as a double: the limit 2^1024 - 2^970 is halfway above the greatest double.
inline bool beyond_double(const Decimal& value) {
  constexpr std::string_view limit =
      "1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070963"
      "3028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447573027"
      "0069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792";
  if (value.zero()) return false;
  if (value.point != static_cast<int64_t>(limit.size())) return value.point > static_cast<int64_t>(limit.size());
  for (size_t i = 0; i < limit.size(); ++i) {
    char digit = i < value.digit_count() ? value.digit(i) : '0';
    if (digit != limit[i]) return digit > limit[i];
  }
  return true;
}

// Parse a JSON number as the signed 64-bit integer that it equals. A number beyond the range of a double is out of
// range; any other number with a fraction is not an integer, whatever its magnitude.
inline IntegerResult parse_exact_integer(Slice text, int64_t& value) {
  Decimal number;
  if (text.size_bytes == 0 || *text.data == '+' || !parse_decimal(text, number)) return IntegerResult::malformed;
  value = 0;
  if (number.zero()) return IntegerResult::ok;
  if (beyond_double(number)) return IntegerResult::out_of_range;
  for (size_t i = number.digit_count(); static_cast<int64_t>(i) > number.point && i > 0; --i) {
    if (number.digit(i - 1) != '0') return IntegerResult::fraction;
  }
  if (number.point > max_integer_digits) return IntegerResult::out_of_range;
  uint64_t magnitude = 0;
  for (size_t i = 0; static_cast<int64_t>(i) < number.point; ++i) {
    uint64_t digit = i < number.digit_count() ? static_cast<uint64_t>(number.digit(i) - '0') : 0;
    magnitude = magnitude * 10 + digit;
  }
  return signed_value(magnitude, number.negative, value);
}

}  // namespace cfdns
