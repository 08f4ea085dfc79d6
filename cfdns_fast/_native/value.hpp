// Value: what a target holds, before any writer.
#pragma once

#include "bytes.hpp"

namespace cfdns {

enum class ValueType : uint8_t { absent, text, name, integer, boolean, list, objects };

struct Value {
  ValueType type = ValueType::absent;
  bool plain = true;    // of text and names: nothing in it needs an escape in JSON, and it is ASCII if the record is
  uint16_t name = 0;    // of names: the index in the table; of objects: the member list
  uint32_t count = 0;   // of lists and objects: how many there are; every object has an item for each member
  Slice text;           // of text and names, padded
  // Of names: the table; of booleans 0 or 1; of lists and objects: the first of Event::items; of timestamps, which are text:
  // nanoseconds.
  int64_t integer = 0;
};

// Bit i stands for entry i of errors.PROBLEM_CODES.
enum Problem : uint8_t { no_problem = 0, field_type = 1, field_range = 2, field_missing = 4 };
constexpr size_t problem_codes = 3;

}  // namespace cfdns
