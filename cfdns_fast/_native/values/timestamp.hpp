// Timestamps: decimals of any unit and RFC 3339 text to microseconds and nanoseconds, and back to text.
#pragma once

#include "json/number.hpp"

namespace cfdns {

enum class TimestampUnit : uint8_t { automatic = 0, s = 1, ms = 2, us = 3, ns = 4 };
enum class TimeResult : uint8_t { ok, malformed, out_of_range };

constexpr int64_t us_per_second = 1000000;
constexpr int64_t seconds_per_day = 86400;
constexpr int64_t first_us = -62135596800 * us_per_second;     // 0001-01-01T00:00:00Z
constexpr int64_t last_us = 253402300800 * us_per_second - 1;  // 9999-12-31T23:59:59.999999Z

constexpr int64_t no_ns = INT64_MIN;  // NumPy and pandas use the same value for a missing time

// Microseconds since 1970, rounded down, and the remaining nanoseconds (0 to 999).
struct Time {
  int64_t us = 0;
  uint32_t ns = 0;

  // The time in milliseconds, rounded down.
  int64_t whole_ms() const { return us / 1000 - (us % 1000 < 0); }

  // The time in nanoseconds, or no_ns if 64 bits cannot hold it (before 1677-09-21T00:12:43.145225Z or after
  // 2262-04-11T23:47:16.854775807Z).
  int64_t whole_ns() const {
    constexpr int64_t max_us = INT64_MAX / 1000;
    if (us < -max_us || us > max_us || (us == max_us && ns > INT64_MAX % 1000)) return no_ns;
    return us * 1000 + ns;
  }
};

namespace detail {

// The power of ten that converts a unit to microseconds.
inline int exponent_to_us(TimestampUnit unit, int64_t whole_digits) {
  switch (unit) {
    case TimestampUnit::s: return 6;
    case TimestampUnit::ms: return 3;
    case TimestampUnit::us: return 0;
    case TimestampUnit::ns: return -3;
    case TimestampUnit::automatic: break;
  }
  // Below 1e11 it is seconds, below 1e14 ms, below 1e17 us, else ns; the number of digits decides.
  return whole_digits <= 11 ? 6 : whole_digits <= 14 ? 3 : whole_digits <= 17 ? 0 : -3;
}

// Days since 1970-01-01 in the proleptic Gregorian calendar, and the reverse. Both algorithms are Howard Hinnant's
// (https://howardhinnant.github.io/date_algorithms.html); they count eras of 400 years that begin on 1 March.
inline int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2;
  int64_t era = (year >= 0 ? year : year - 399) / 400;
  int64_t year_of_era = year - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

inline void civil_from_days(int64_t days, int& year, int& month, int& day) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted_month = (5 * day_of_year + 2) / 153;
  day = static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  month = static_cast<int>(shifted_month + (shifted_month < 10 ? 3 : -9));
  year = static_cast<int>(year_of_era + era * 400 + (month <= 2));
}

inline int month_days(int64_t year, int month) {
  constexpr uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

inline char* write_digits(char* to, int value, int width) {
  for (int i = width - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + width;
}

// Write six digits as two triples, which needs no loop.
inline void write_six_digits(char* to, uint32_t value) {
  uint32_t upper = value / 1000;
  uint32_t lower = value % 1000;
  to[0] = static_cast<char>('0' + upper / 100);
  to[1] = static_cast<char>('0' + upper / 10 % 10);
  to[2] = static_cast<char>('0' + upper % 10);
  to[3] = static_cast<char>('0' + lower / 100);
  to[4] = static_cast<char>('0' + lower / 10 % 10);
  to[5] = static_cast<char>('0' + lower % 10);
}

inline int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0); }

}  // namespace detail

// Parse a number: exact, rounded down.
inline TimeResult time_from_decimal(Slice text, TimestampUnit unit, Time& time) {
  Decimal value;
  if (!parse_decimal(text, value)) return TimeResult::malformed;
  time = Time();
  if (value.zero()) return TimeResult::ok;
  int64_t whole_digits = value.point + detail::exponent_to_us(unit, value.point);
  if (whole_digits > 18) return TimeResult::out_of_range;
  auto digit = [&](int64_t i) {
    return i < 0 || i >= static_cast<int64_t>(value.digit_count()) ? '0' : value.digit(static_cast<size_t>(i));
  };
  for (int64_t i = 0; i < whole_digits; ++i) time.us = time.us * 10 + (digit(i) - '0');
  for (int64_t i = whole_digits; i < whole_digits + 3; ++i) {
    time.ns = time.ns * 10 + static_cast<uint32_t>(digit(i) - '0');
  }
  if (value.negative) {
    bool rest = false;
    int64_t first = whole_digits + 3 > 0 ? whole_digits + 3 : 0;
    for (int64_t i = first; i < static_cast<int64_t>(value.digit_count()) && !rest; ++i) rest = digit(i) != '0';
    // `time` is the distance from zero, in nanoseconds rounded up.
    time.ns += rest;
    time.us = -time.us - (time.ns != 0);
    time.ns = time.ns == 0 ? 0 : 1000 - time.ns;
  }
  return time.us < first_us || time.us > last_us ? TimeResult::out_of_range : TimeResult::ok;
}

// Parse a JSON integer without a sign of at most 19 digits, as most timestamps are.
inline TimeResult time_from_digits(Slice text, TimestampUnit unit, Time& time) {
  uint64_t value = digits_value(text.data, text.size_bytes);
  time.ns = 0;
  switch (detail::exponent_to_us(unit, static_cast<int64_t>(text.size_bytes))) {
    case -3:
      time.ns = static_cast<uint32_t>(value % 1000);
      value /= 1000;
      break;
    case 3: value = value > UINT64_MAX / 1000 ? UINT64_MAX : value * 1000; break;
    case 6: value = value > UINT64_MAX / 1000000 ? UINT64_MAX : value * 1000000; break;
    default: break;
  }
  time.us = static_cast<int64_t>(value);
  return value > static_cast<uint64_t>(last_us) ? TimeResult::out_of_range : TimeResult::ok;
}

// Parse RFC 3339 section 5.6 with "T", "t" or a space, "Z" or "z", and offsets with or without the colon.
inline TimeResult time_from_rfc3339(Slice text, Time& time) {
  const char* at = text.data;
  const char* end = text.end();
  if (end - at < 20) return TimeResult::malformed;
  int parts[6];
  constexpr char separators[] = "--T::";
  for (int i = 0; i < 6; ++i) {
    int value = 0;
    for (int width = i == 0 ? 4 : 2; width > 0; --width, ++at) {
      if (!is_digit(*at)) return TimeResult::malformed;
      value = value * 10 + (*at - '0');
    }
    parts[i] = value;
    if (i == 5) break;
    bool separated = i == 2 ? (*at == 'T' || *at == 't' || *at == ' ') : *at == separators[i];
    if (!separated) return TimeResult::malformed;
    ++at;
  }
  int64_t fraction_ns = 0;
  if (*at == '.') {
    const char* digits = ++at;
    at = skip_digits(at, end);
    if (at == digits) return TimeResult::malformed;
    for (int i = 0; i < 9; ++i) fraction_ns = fraction_ns * 10 + (digits + i < at ? digits[i] - '0' : 0);
  }
  int offset_minutes = 0;
  bool possible = true;
  if (at == end) return TimeResult::malformed;
  if (*at == 'Z' || *at == 'z') {
    ++at;
  } else {
    char sign = *at++;
    bool colon = end - at == 5 && at[2] == ':';
    if ((sign != '+' && sign != '-') || (!colon && end - at != 4)) return TimeResult::malformed;
    const char* minutes = at + (colon ? 3 : 2);
    if (!is_digit(at[0]) || !is_digit(at[1]) || !is_digit(minutes[0]) || !is_digit(minutes[1])) {
      return TimeResult::malformed;
    }
    int hour = (at[0] - '0') * 10 + (at[1] - '0');
    int minute = (minutes[0] - '0') * 10 + (minutes[1] - '0');
    possible = hour <= 23 && minute <= 59;
    offset_minutes = (sign == '-' ? -1 : 1) * (hour * 60 + minute);
    at = end;
  }
  if (at != end) return TimeResult::malformed;
  int64_t year = parts[0];
  int month = parts[1], day = parts[2], hour = parts[3], minute = parts[4], second = parts[5];
  possible = possible && year >= 1 && month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 59;
  if (!possible || day < 1 || day > detail::month_days(year, month)) return TimeResult::out_of_range;
  int64_t seconds = detail::days_from_civil(year, month, day) * seconds_per_day + hour * 3600 + minute * 60 + second -
                    static_cast<int64_t>(offset_minutes) * 60;
  time.us = seconds * us_per_second + fraction_ns / 1000;
  time.ns = static_cast<uint32_t>(fraction_ns % 1000);
  return time.us < first_us || time.us > last_us ? TimeResult::out_of_range : TimeResult::ok;
}

// Writes YYYY-MM-DDTHH:MM:SS[.ffffff]Z, or all nine digits. It remembers the text of the last second, because
// neighboring records often share it.
class TimeFormatter {
 public:
  static constexpr size_t text_bytes = 32;  // number of bytes that write() may write

  size_t write(const Time& time, bool nine_digits, char* to) {
    int64_t second = detail::floor_divide(time.us, us_per_second);
    int fraction_us = static_cast<int>(time.us - second * us_per_second);
    if (second != second_) set_second(second);
    std::memcpy(to, text_, 24);
    if (fraction_us == 0 && !nine_digits) {
      to[19] = 'Z';
      return 20;
    }
    to[19] = '.';
    detail::write_six_digits(to + 20, static_cast<uint32_t>(fraction_us));
    if (nine_digits) {
      detail::write_digits(to + 26, static_cast<int>(time.ns), 3)[0] = 'Z';
      return 30;
    }
    to[26] = 'Z';
    return 27;
  }

  static constexpr size_t ns_digits = 19;  // number of digits of nanoseconds from 2001 to 2286

  // Write from ns_digits digits if they are in the remembered second, else return 0. The fraction is then a copy of the
  // digits, and nothing is computed.
  size_t write_remembered(const char* digits, bool nine_digits, char* to) const {
    if (std::memcmp(digits, second_digits_, sizeof second_digits_) != 0) return 0;
    std::memcpy(to, text_, 24);
    to[19] = '.';
    std::memcpy(to + 20, digits + sizeof second_digits_, 9);
    if (nine_digits) {
      to[29] = 'Z';
      return 30;
    }
    to[26] = 'Z';
    if (std::memcmp(to + 20, "000000", 6) != 0) return 27;
    to[19] = 'Z';
    return 20;
  }

  // Remember the digits of the time that write() wrote last.
  void remember(const char* digits) { std::memcpy(second_digits_, digits, sizeof second_digits_); }

 private:
  void set_second(int64_t second) {
    using namespace detail;
    second_digits_[0] = 0;
    int64_t day = floor_divide(second, seconds_per_day);
    int of_day = static_cast<int>(second - day * seconds_per_day);
    if (day != day_) {
      int year, month, day_of_month;
      civil_from_days(day, year, month, day_of_month);
      write_digits(text_, year, 4)[0] = '-';
      write_digits(text_ + 5, month, 2)[0] = '-';
      write_digits(text_ + 8, day_of_month, 2)[0] = 'T';
      day_ = day;
    }
    write_digits(text_ + 11, of_day / 3600, 2)[0] = ':';
    write_digits(text_ + 14, of_day / 60 % 60, 2)[0] = ':';
    write_digits(text_ + 17, of_day % 60, 2);
    second_ = second;
  }

  int64_t day_ = INT64_MIN;
  int64_t second_ = INT64_MIN;
  char text_[24] = {};
  char second_digits_[10] = {};  // the digits of second_; empty if the first is 0
};

}  // namespace cfdns
