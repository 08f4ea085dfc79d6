// The NDJSON writer: one event, one line, by the plan's steps.
#pragma once

#include "escaper.hpp"
#include "event.hpp"

namespace cfdns {

namespace detail {

inline char* put_integer(char* to, int64_t value) {
  char digits[20];
  char* at = digits + sizeof digits;
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  do {
    *--at = static_cast<char>('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude != 0);
  if (value < 0) *to++ = '-';
  size_t size_bytes = static_cast<size_t>(digits + sizeof digits - at);
  std::memcpy(to, at, size_bytes);
  return to + size_bytes;
}

inline char* put_slice(char* to, Slice text) { return copy_loosely(to, text.data, text.size_bytes); }

inline char* put_value(char* to, const Value& value) {
  if (value.type <= ValueType::name) return value.plain ? put_slice(to, value.text) : escape(to, value.text);
  if (value.type == ValueType::integer) return put_integer(to, value.integer);
  bool yes = value.integer != 0;
  std::memcpy(to, yes ? "true\0" : "false", 5);
  return to + (yes ? 4 : 5);
}

}  // namespace detail

// The most bytes that write_event could write to, padding included: a byte may become \u00XX.
inline size_t most_event_bytes(const Plan& plan, const Event& event, Slice message) {
  constexpr size_t usual_record_bytes = 4096;
  if (message.size_bytes <= usual_record_bytes) {
    return plan.fixed_bytes() + plan.variable_steps() * 6 * message.size_bytes;
  }
  // Many times a long record would be a lot of memory, so here it is added up.
  size_t text_bytes = 0;
  for (const Step& step : plan.steps) {
    if (step.what == Step::What::raw) text_bytes += message.size_bytes;
    if (step.what != Step::What::value) continue;
    const Value& value = event.values[step.slot];
    if (value.type == ValueType::text) text_bytes += value.text.size_bytes;
  }
  return plan.fixed_bytes() + 6 * text_bytes;
}

// Write one line to `output`, which has room for most_event_bytes(), and return its size in bytes.
//
// Every member ends in a comma, which the closing bracket then overwrites; an object that got no member is taken back.
inline size_t write_event(const Plan& plan, const Event& event, Slice message, char* output) {
  constexpr size_t deepest = 40;  // mapping.py allows 32
  char* openings[deepest];
  size_t depth = 0;
  char* to = output;
  *to++ = '{';
  for (const Step& step : plan.steps) {
    switch (step.what) {
      case Step::What::literal: to = detail::put_slice(to, step.before); break;
      case Step::What::open:
        openings[depth++] = to;
        to = detail::put_slice(to, step.before);
        break;
      case Step::What::close: {
        char* opening = openings[--depth];
        if (to[-1] == '{') {
          to = opening;
        } else {
          std::memcpy(to - 1, "},", 2);
          ++to;
        }
        break;
      }
      case Step::What::raw:
        to = detail::put_slice(to, step.before);
        to = escape(to, message);
        std::memcpy(to, step.after, sizeof step.after);
        to += step.after_bytes;
        break;
      case Step::What::value: {
        const Value& value = event.values[step.slot];
        if (value.type == ValueType::absent) break;
        to = detail::put_slice(to, step.before);
        to = detail::put_value(to, value);
        std::memcpy(to, step.after, sizeof step.after);
        to += step.after_bytes;
        break;
      }
    }
  }
  if (to[-1] == ',') --to;
  std::memcpy(to, "}\n", 2);
  return static_cast<size_t>(to + 2 - output);
}

}  // namespace cfdns
