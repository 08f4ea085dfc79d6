// Event: the values of one record as the plan wants them, before any writer. This is where a rule is applied, once.
#pragma once

#include <vector>

#include "address.hpp"
#include "record.hpp"

namespace cfdns {

enum class ValueType : uint8_t { absent, text, name, integer, boolean };

struct Value {
  ValueType type = ValueType::absent;
  bool plain = true;    // of text and names: nothing in it needs an escape in JSON
  uint16_t name = 0;    // of names: the index in the table
  Slice text;           // of text and names, padded
  int64_t integer = 0;  // of names: the table; of booleans 0 or 1
};

// Bit i stands for entry i of errors.PROBLEM_CODES.
enum Problem : uint8_t { no_problem = 0, field_type = 1, field_range = 2, field_missing = 4 };
constexpr size_t problem_codes = 3;

class Event {
 public:
  explicit Event(const Plan& plan)
      : values(plan.slot_count), problems(plan.sources.size() * problem_codes, 0), plan_(plan) {
    times_.reserve(plan.slot_count * TimeFormatter::text_bytes, 0);
  }

  std::vector<Value> values;      // by slot
  std::vector<uint64_t> problems; // by source and code, over all records so far

  void resolve(const Record& record) {
    unescaped_bytes_ = 0;
    const Source* sources = plan_.sources.data();
    const Token* tokens = record.tokens.data();
    for (size_t i = 0, count = plan_.sources.size(); i < count; ++i) {
      uint8_t found = read(sources[i], tokens[i], record.raw.size_bytes);
      if (found != no_problem) {
        for (size_t code = 0; code < problem_codes; ++code) problems[i * problem_codes + code] += found >> code & 1;
      }
    }
  }

 private:
  uint8_t read(const Source& source, const Token& token, size_t record_bytes) {
    const Reading* reading = plan_.readings.data() + source.first_reading;
    const Reading* last = plan_.readings.data() + source.last_reading;
    bool empty = token.type == TokenType::string && token.text.size_bytes == 0;
    if (empty || token.type == TokenType::absent || token.type == TokenType::null) {
      for (; reading != last; ++reading) clear(*reading);
      return source.required ? field_missing : no_problem;
    }
    uint8_t found = no_problem;
    if (token.type == TokenType::string) {
      Slice text = token.escaped ? unescaped(token, record_bytes) : token.text;
      for (; reading != last; ++reading) found |= read_string(*reading, text, !token.escaped);
      return found;
    }
    for (; reading != last; ++reading) {
      clear(*reading);
      found |= token.type == TokenType::number ? read_number(*reading, token) : read_other(*reading, token);
    }
    return found;
  }

  void clear(const Reading& reading) {
    values[reading.slot].type = ValueType::absent;
    if (reading.kind != Kind::name) return;
    for (size_t i = 1; i < name_slots; ++i) values[reading.slot + i].type = ValueType::absent;
  }

  // The strings of a record never need more room unescaped than the record takes, so the text stays where it is.
  Slice unescaped(const Token& token, size_t record_bytes) {
    if (unescaped_bytes_ == 0) unescaped_.reserve(record_bytes, 0);
    Slice text{unescaped_.data() + unescaped_bytes_, 0};
    unescape(token.text, unescaped_.data() + unescaped_bytes_, text.size_bytes);
    unescaped_bytes_ += text.size_bytes;
    return text;
  }

  // Plain text needs no escape in JSON.
  uint8_t read_string(const Reading& reading, Slice text, bool plain) {
    clear(reading);
    switch (reading.kind) {
      case Kind::text: set_text(reading.slot, text, plain); return no_problem;
      case Kind::name: return read_name(reading, text, plain);
      case Kind::ip:
        if (!is_ip(text)) return field_type;
        set_text(reading.slot, text, plain);
        return no_problem;
      case Kind::timestamp: return read_time_text(reading, text);
      case Kind::integer:
      case Kind::enumeration: return read_integer(reading, text);
      case Kind::boolean: return read_boolean_text(values[reading.slot], text);
    }
    return field_type;
  }

  uint8_t read_number(const Reading& reading, const Token& token) {
    Value& value = values[reading.slot];
    if (reading.kind == Kind::timestamp) return read_time_number(reading, token);
    int64_t number;
    if (!token.integer) return beyond_double(token.text) ? field_range : field_type;
    if (token.text.size_bytes <= 8 && *token.text.data != '-') {
      number = static_cast<int64_t>(detail::eight_digits(detail::zero_filled(load64(token.text.data), token.text.size_bytes)));
    } else if (parse_integer(token.text, number) != IntegerResult::ok) {
      return field_range;
    }
    switch (reading.kind) {
      case Kind::integer:
      case Kind::enumeration: return set_integer(reading, number);
      case Kind::boolean:
        if (number != 0 && number != 1) return field_type;
        set(value, ValueType::boolean, number);
        return no_problem;
      case Kind::text: set_text(reading.slot, token.text, true); return no_problem;
      default: return field_type;
    }
  }

  // true, false, an array or an object
  uint8_t read_other(const Reading& reading, const Token& token) {
    if (reading.kind != Kind::boolean || token.type == TokenType::container) return field_type;
    set(values[reading.slot], ValueType::boolean, token.type == TokenType::boolean_true);
    return no_problem;
  }

  static void set(Value& value, ValueType type, int64_t integer) {
    value.type = type;
    value.integer = integer;
  }

  uint8_t read_integer(const Reading& reading, Slice text) {
    int64_t number;
    switch (parse_integer(text, number)) {
      case IntegerResult::ok: return set_integer(reading, number);
      case IntegerResult::malformed: return field_type;
      case IntegerResult::out_of_range: break;
    }
    return field_range;
  }

  uint8_t set_integer(const Reading& reading, int64_t number) {
    Value& value = values[reading.slot];
    if (reading.kind == Kind::integer) {
      set(value, ValueType::integer, number);
      return no_problem;
    }
    if (number < 0 || number > 65535) return field_range;
    const Enumeration& table = plan_.enumerations[reading.table];
    uint16_t name = table.index[static_cast<size_t>(number)];
    if (name == 0) return no_problem;
    set(value, ValueType::name, reading.table);
    value.name = name;
    value.text = table.names[name].slice();
    return no_problem;
  }

  static uint8_t read_boolean_text(Value& value, Slice text) {
    auto is = [&](const char* word, size_t size_bytes) {
      return text.size_bytes == size_bytes && std::memcmp(text.data, word, size_bytes) == 0;
    };
    if (is("true", 4) || is("1", 1)) {
      set(value, ValueType::boolean, 1);
    } else if (is("false", 5) || is("0", 1)) {
      set(value, ValueType::boolean, 0);
    } else {
      return field_type;
    }
    return no_problem;
  }

  uint8_t read_time_text(const Reading& reading, Slice text) {
    int64_t us;
    TimeResult result = us_from_rfc3339(text, us);
    return result == TimeResult::malformed ? set_time(reading, text) : set_time(reading, result, us);
  }

  uint8_t read_time_number(const Reading& reading, const Token& token) {
    const Slice& text = token.text;
    if (!token.integer || text.size_bytes > 19 || *text.data == '-' || *text.data == '0') return set_time(reading, text);
    int64_t us;
    TimeResult result = us_from_digits(text, plan_.unit, us);
    return set_time(reading, result, us);
  }

  uint8_t set_time(const Reading& reading, Slice number) {
    int64_t us;
    TimeResult result = us_from_decimal(number, plan_.unit, us);
    return set_time(reading, result, us);
  }

  uint8_t set_time(const Reading& reading, TimeResult result, int64_t us) {
    if (result == TimeResult::malformed) return field_type;
    if (result == TimeResult::out_of_range) return field_range;
    char* to = times_.data() + reading.slot * TimeFormatter::text_bytes;
    set_text(reading.slot, {to, formatter_.put(us, to)}, true);
    return no_problem;
  }

  uint8_t read_name(const Reading& reading, Slice name, bool plain) {
    while (name.size_bytes != 0 && *name.data == '.') ++name.data, --name.size_bytes;
    while (name.size_bytes != 0 && name.end()[-1] == '.') --name.size_bytes;
    if (name.size_bytes == 0) return no_problem;
    set_text(reading.slot, name, plain);
    if (!reading.parts || is_ip(name)) return no_problem;
    NameParts parts = plan_.suffixes->split(name, plain);
    if (parts.registered_domain != NameParts::none) {
      set_text(reading.slot + 1u, from(name, parts.registered_domain), plain);
    }
    if (parts.subdomain_end != 0) set_text(reading.slot + 2u, {name.data, parts.subdomain_end}, plain);
    if (parts.top_level_domain != NameParts::none) {
      set_text(reading.slot + 3u, from(name, parts.top_level_domain), plain);
    }
    return no_problem;
  }

  static Slice from(Slice name, size_t offset) { return {name.data + offset, name.size_bytes - offset}; }

  void set_text(size_t slot, Slice text, bool plain) {
    Value& value = values[slot];
    value.type = ValueType::text;
    value.text = text;
    value.plain = plain;
  }

  const Plan& plan_;
  TimeFormatter formatter_;
  Buffer times_;
  Buffer unescaped_;
  size_t unescaped_bytes_ = 0;
};

}  // namespace cfdns
