// Value: what a slot holds, before any writer.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

enum class ValueType : uint8_t { absent, text, name, integer, boolean, list, objects };

// The text of an absent value, so that it can be read like any other.
inline constexpr char nothing[padding_bytes] = {};

struct Value {
  ValueType type = ValueType::absent;
  bool plain = true;       // `text` is the JSON value without quotes; for text and names: it is ASCII if the record is
  uint16_t name = 0;       // names: index in the enumeration; objects: index of the member list
  uint32_t count = 0;      // lists and objects: number of items; an object has an item for each member
  Slice text{nothing, 0};  // padded; set for text, names, and plain values
  // Names: the enumeration. Booleans: 0 or 1. Lists and objects: index of the first in items. Timestamps, which are
  // text: the nanoseconds.
  int64_t integer = 0;

  void clear() {
    type = ValueType::absent;
    plain = true;
    text = {nothing, 0};
  }

  // `written`: the number as JSON text, or empty.
  void set_integer(int64_t number, Slice written) {
    type = ValueType::integer;
    plain = written.size_bytes != 0;
    text = written;
    integer = number;
  }

  void set_boolean(bool yes) {
    static constexpr char words[2][padding_bytes] = {"false", "true"};
    type = ValueType::boolean;
    plain = true;
    text = {words[yes], size_t{5} - yes};
    integer = yes;
  }

  void set_list(ValueType list, size_t first, size_t size, bool keeps_empty) {
    type = size == 0 && !keeps_empty ? ValueType::absent : list;
    plain = false;
    integer = static_cast<int64_t>(first);
    count = static_cast<uint32_t>(size);  // a record has at most 2^30 bytes
  }
};

// Bit i stands for entry i of errors.PROBLEM_CODES. The first three count by source, the last one by record.
enum Problem : uint8_t { no_problem = 0, field_type = 1, field_range = 2, field_missing = 4, record_unknown = 8 };
constexpr size_t field_problem_codes = 3;

// Index of a count of problems: first the unknown records, then each source by code.
constexpr size_t unknown_problem = 0;
constexpr size_t problem_index(size_t source, size_t code) { return 1 + source * field_problem_codes + code; }

}  // namespace cfdns
