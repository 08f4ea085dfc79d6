// The NDJSON writer: one line for each event, by the steps of the plan.
#pragma once

#include "events/event.hpp"
#include "json/escape.hpp"
#include "support/compiler.hpp"

namespace cfdns {

namespace detail {

inline char* write_slice(char* to, Slice text) { return copy_loosely(to, text.data, text.size_bytes); }

CFDNS_COLD static char* write_items(char* to, const Plan& plan, const Event& event, const Value& value);

CFDNS_INLINE inline char* write_value(char* to, const Plan& plan, const Event& event, const Value& value) {
  if (value.plain) return write_slice(to, value.text);
  if (value.type <= ValueType::name) return escape(to, value.text);
  if (value.type == ValueType::integer) return write_integer(to, value.integer);
  return write_items(to, plan, event, value);
}

inline char* write_quoted(char* to, const Plan& plan, const Event& event, const Value& value) {
  bool quoted = value.type <= ValueType::name;
  if (quoted) *to++ = '"';
  to = write_value(to, plan, event, value);
  if (quoted) *to++ = '"';
  return to;
}

// Write the items of a list, or the objects of a list.
CFDNS_COLD static char* write_items(char* to, const Plan& plan, const Event& event, const Value& value) {
  const Value* item = event.items.data() + value.integer;
  for (size_t i = 0; i < value.count; ++i) {
    if (i != 0) *to++ = ',';
    if (value.type == ValueType::list) {
      to = write_quoted(to, plan, event, *item++);
      continue;
    }
    *to++ = '{';
    for (const PaddedText& key : plan.members[value.name].json_keys) {
      if (item->type != ValueType::absent) {
        to = write_quoted(write_slice(to, key.slice()), plan, event, *item);
        *to++ = ',';
      }
      ++item;
    }
    to[-1] = '}';
  }
  return to;
}

// The maximum size of what write_value writes.
inline size_t max_value_bytes(const Plan& plan, const Event& event, const Value& value) {
  if (value.type <= ValueType::name) return 6 * value.text.size_bytes;
  if (value.type < ValueType::list) return 0;  // the fixed bytes include them
  size_t sum = 0;
  size_t per_object = value.type == ValueType::list ? 1 : plan.members[value.name].keys.size();
  for (size_t i = 0; i < value.count * per_object; ++i) {
    const Value& item = event.items[static_cast<size_t>(value.integer) + i];
    sum += max_integer_bytes + 6 * item.text.size_bytes;
  }
  if (value.type == ValueType::objects) sum += value.count * plan.members[value.name].json_bytes;
  return sum;
}

}  // namespace detail

// The maximum number of bytes that write_event needs, with padding: a byte may become \u00XX.
inline size_t exact_max_event_bytes(const Plan& plan, const Event& event, Slice message) {
  size_t max_bytes = plan.fixed_bytes();
  for (const Step& step : plan.steps) {
    if (step.kind == StepKind::raw) max_bytes += 6 * message.size_bytes;
    if (step.kind == StepKind::slot) max_bytes += detail::max_value_bytes(plan, event, event.values[step.slot]);
  }
  return max_bytes;
}

// At least as much, but faster to compute. For long records it would be too much memory, and lists have no such limit.
inline size_t max_event_bytes(const Plan& plan, const Event& event, Slice message) {
  constexpr size_t short_record_bytes = 4096;
  if (message.size_bytes > short_record_bytes || plan.has_lists()) return exact_max_event_bytes(plan, event, message);
  return plan.fixed_bytes() + plan.variable_steps() * 6 * message.size_bytes;
}

// Write one line to `output`, which has max_event_bytes(), and return its size.
//
// Every member ends with a comma, which the closing bracket overwrites. An object without members is removed.
inline size_t write_event(const Plan& plan, const Event& event, Slice message, char* output) {
  char* openings[StepDepth::max_depth];       // where each open object begins
  char* first_members[StepDepth::max_depth];  // and where its members begin
  size_t depth = 0;
  char* to = output;
  *to++ = '{';
  const Value* values = event.values.data();
  for (const Step& step : plan.steps) {
    if (step.kind == StepKind::slot) {
      const Value& value = values[step.slot];
      if (value.type == ValueType::absent) continue;
      to = detail::write_slice(to, step.before);
      to = detail::write_value(to, plan, event, value);
    } else if (step.kind == StepKind::close) {
      --depth;
      if (to == first_members[depth]) {
        to = openings[depth];
      } else {
        std::memcpy(to - 1, "},", 2);
        ++to;
      }
      continue;
    } else {
      if (step.kind == StepKind::open) openings[depth] = to;
      to = detail::write_slice(to, step.before);
      if (step.kind == StepKind::open) first_members[depth++] = to;
      if (step.kind != StepKind::raw) continue;
      to = escape(to, message);
    }
    std::memcpy(to, step.after, sizeof step.after);
    to += step.after_bytes;
  }
  if (to[-1] == ',') --to;
  std::memcpy(to, "}\n", 2);
  return static_cast<size_t>(to + 2 - output);
}

}  // namespace cfdns
