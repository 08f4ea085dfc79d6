// Numbers as text: the JSON grammar, 64-bit integers, and what no double can hold.
#pragma once

#include <string_view>

#include "bytes.hpp"

namespace cfdns {

struct NumberForm {
  bool valid = false;
  bool integer = false;  // no fraction, no exponent
};

inline const char* skip_digits(const char* at, const char* end) {
  while (at < end && is_digit(*at)) ++at;
  return at;
}

// RFC 8259 section 6; the token must be the number and nothing else.
inline NumberForm number_form(const char* at, const char* end) {
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

enum class IntegerResult : uint8_t { ok, malformed, out_of_range };

// -?[0-9]+ to a signed 64-bit integer (ECS `long`); leading zeros do not count.
inline IntegerResult parse_integer(Slice text, int64_t& value) {
  const char* at = text.data;
  const char* end = text.end();
  bool negative = at < end && *at == '-';
  if (negative) ++at;
  if (at == end || skip_digits(at, end) != end) return IntegerResult::malformed;
  while (at < end - 1 && *at == '0') ++at;
  if (end - at > 19) return IntegerResult::out_of_range;
  uint64_t magnitude = 0;  // 19 digits fit
  for (; at < end; ++at) magnitude = magnitude * 10 + static_cast<uint64_t>(*at - '0');
  uint64_t limit = static_cast<uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (magnitude > limit) return IntegerResult::out_of_range;
  value = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return IntegerResult::ok;
}

// A decimal in pieces: 0.d1d2d3... x 10^point, d1 not zero. Zero has no digits.
struct Decimal {
  bool negative = false;
  Slice whole;      // digits before the point, leading zeros removed unless `fraction` starts the digits
  Slice fraction;   // digits behind it
  int64_t point = 0;

  bool zero() const { return whole.size_bytes == 0 && fraction.size_bytes == 0; }
  size_t digit_count() const { return whole.size_bytes + fraction.size_bytes; }
  char digit(size_t i) const {
    return i < whole.size_bytes ? whole.data[i] : fraction.data[i - whole.size_bytes];
  }
};

// [+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)? and nothing else. Exponents beyond 10^15 are held there: no text is long
// enough for the difference to show.
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

// Whether a JSON number rounds to infinity as a double: at least 2^1024 - 2^970, halfway above the greatest one.
inline bool beyond_double(Slice token) {
  constexpr std::string_view limit =
      "1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070963"
      "3028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447573027"
      "0069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792";
  Decimal value;
  if (!parse_decimal(token, value) || value.zero()) return false;
  if (value.point != static_cast<int64_t>(limit.size())) return value.point > static_cast<int64_t>(limit.size());
  for (size_t i = 0; i < limit.size(); ++i) {
    char digit = i < value.digit_count() ? value.digit(i) : '0';
    if (digit != limit[i]) return digit > limit[i];
  }
  return true;
}

}  // namespace cfdns
