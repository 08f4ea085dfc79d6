// Value: what a target holds, before any writer.
#pragma once

#include "support/bytes.hpp"

namespace cfdns {

enum class ValueType : uint8_t { absent, text, name, integer, boolean, list, objects };

// What an absent value points to, so that its text may be looked at as any other.
inline constexpr char nothing[padding_bytes] = {};

struct Value {
  ValueType type = ValueType::absent;
  bool plain = true;   // `text` is the value in JSON, but for quotes; of text and names: it is ASCII if the record is
  uint16_t name = 0;   // of names: the index in the table; of objects: the member list
  uint32_t count = 0;  // of lists and objects: how many there are; every object has an item for each member
  Slice text{nothing, 0};  // padded; of text and names, and of what is plain
  // Of names: the table; of booleans 0 or 1; of lists and objects: the first of Event::items; of timestamps, which are text:
  // nanoseconds.
  int64_t integer = 0;

  void clear() {
    type = ValueType::absent;
    plain = true;
    text = {nothing, 0};
  }

  // `written`: in JSON, or empty.
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

// Bit i stands for entry i of errors.PROBLEM_CODES. The first three are counted by source, the last one is the record's own.
enum Problem : uint8_t { no_problem = 0, field_type = 1, field_range = 2, field_missing = 4, record_unknown = 8 };
constexpr size_t field_problem_codes = 3;

// Where a count of problems stands: first that of unknown records, then those of each source by code.
constexpr size_t unknown_place = 0;
constexpr size_t problem_place(size_t source, size_t code) { return 1 + source * field_problem_codes + code; }

}  // namespace cfdns
