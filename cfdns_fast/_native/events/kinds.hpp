// Kinds: how a token becomes the value of a slot. reference/values.py has the same functions in Python.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "events/slot_values.hpp"
#include "json/elements.hpp"
#include "plan/plan.hpp"
#include "support/compiler.hpp"
#include "values/ip_address.hpp"
#include "values/name_escape.hpp"
#include "values/timestamp.hpp"

namespace cfdns {

// The functions that read values. Each of them returns bits of Problem.
class KindReader : public SlotValues {
 protected:
  using SlotValues::SlotValues;

  static bool is_absent(const Token& token) {
    bool empty = token.type == TokenType::string && token.text.size_bytes == 0;
    return empty || token.type == TokenType::absent || token.type == TokenType::null;
  }

  CFDNS_INLINE uint8_t read(const Reading& reading, const Token& token, bool required) {
    switch (token.type) {
      case TokenType::string: {
        Slice text = token.escaped ? unescaped(token) : token.text;
        return read_string(reading, text, !token.escaped, required);
      }
      case TokenType::number: return read_number(reading, token);
      case TokenType::absent:
      case TokenType::null: return read_nothing(reading, required);
      default: return read_other(reading, token);
    }
  }

  // `plain`: the text needs no escape in JSON.
  CFDNS_INLINE uint8_t read_string(const Reading& reading, Slice text, bool plain, bool required) {
    if (text.size_bytes == 0) return read_nothing(reading, required);
    switch (reading.kind) {
      case Kind::text: set_text(reading.slot, text, plain); return no_problem;
      case Kind::domain_name: read_name(reading, text, plain); return no_problem;
      case Kind::ip:
        if (!is_ip(text)) return refuse(reading, field_type);
        set_text(reading.slot, text, plain);
        return no_problem;
      case Kind::timestamp: return read_time_text(reading, text);
      case Kind::milliseconds: return read_milliseconds(reading, text, false);
      case Kind::integer:
      case Kind::enumeration: return read_integer(reading, text);
      case Kind::boolean: return read_boolean_text(reading, text);
      default: return refuse(reading, field_type);
    }
  }

 private:
  uint8_t read_nothing(const Reading& reading, bool required) {
    clear(reading);
    return required ? field_missing : no_problem;
  }

  CFDNS_NOINLINE uint8_t refuse(const Reading& reading, Problem problem) {
    clear(reading);
    return problem;
  }

  CFDNS_INLINE uint8_t read_number(const Reading& reading, const Token& token) {
    if (reading.kind == Kind::timestamp) return read_time_number(reading, token);
    const Slice text = token.text;
    if (text.size_bytes > 8 || !token.integer || *text.data == '-') return read_long_number(reading, token);
    auto number = static_cast<int64_t>(detail::eight_digits(detail::zero_filled(load64(text.data), text.size_bytes)));
    return set_number(reading, number, text);
  }

  CFDNS_NOINLINE uint8_t read_long_number(const Reading& reading, const Token& token) {
    if (reading.kind == Kind::milliseconds) return read_milliseconds(reading, token.text, token.integer);
    int64_t number;
    IntegerResult result = token.integer ? parse_integer(token.text, number) : parse_exact_integer(token.text, number);
    if (result != IntegerResult::ok) return refuse(reading, problem_of(result));
    if (reading.kind != Kind::text) return set_number(reading, number, {nothing, 0});
    set_text(reading.slot, token.integer ? token.text : digits(number), true);
    return no_problem;
  }

  // `text`: the number as JSON writes it, or empty.
  uint8_t set_number(const Reading& reading, int64_t number, Slice text) {
    switch (reading.kind) {
      case Kind::integer: values[reading.slot].set_integer(number, text); return no_problem;
      case Kind::enumeration: return set_enumeration(reading, number);
      case Kind::boolean:
        if (number != 0 && number != 1) return refuse(reading, field_type);
        set_boolean(reading, number != 0);
        return no_problem;
      case Kind::text: set_text(reading.slot, text, true); return no_problem;
      case Kind::milliseconds: return read_milliseconds(reading, text, true);
      default: return refuse(reading, field_type);
    }
  }

  // Read true, false, an array or an object.
  uint8_t read_other(const Reading& reading, const Token& token) {
    if (token.type == TokenType::container) return read_container(reading, token.text);
    if (reading.kind != Kind::boolean) return refuse(reading, field_type);
    set_boolean(reading, token.type == TokenType::boolean_true);
    return no_problem;
  }

  CFDNS_NOINLINE uint8_t read_container(const Reading& reading, Slice text) {
    clear(reading);
    if (*text.data != '[') return field_type;
    if (reading.kind == Kind::list) return read_list(reading, text);
    return reading.kind == Kind::objects ? read_objects(reading, text) : uint8_t{field_type};
  }

  CFDNS_COLD uint8_t read_list(const Reading& reading, Slice array) {
    const Reading element{reading.element, reading.element, 0, static_cast<uint16_t>(plan_.slot_count), 0};
    size_t first = items.size();
    uint8_t found = no_problem;
    Token token;
    for (Elements elements(array); elements.next(token);) {
      found |= read(element, token, false);
      if (values[element.slot].type != ValueType::absent) items.push_back(values[element.slot]);
    }
    // Of objects with one member, each item is one.
    const ValueType type = reading.has(wraps) ? ValueType::objects : ValueType::list;
    values[reading.slot].set_list(type, first, items.size() - first, reading.has(keeps_empty));
    values[reading.slot].name = reading.table;
    return found;
  }

  CFDNS_COLD uint8_t read_objects(const Reading& reading, Slice array) {
    const Reading element{Kind::text, Kind::text, 0, static_cast<uint16_t>(plan_.slot_count), 0};
    const std::vector<std::string>& keys = plan_.members[reading.table].keys;
    size_t first = items.size();
    size_t count = 0;
    uint8_t found = no_problem;
    Token object, key;
    std::vector<Token> tokens(keys.size() + 1);  // the last token is for other keys
    for (Elements elements(array); elements.next(object);) {
      if (is_absent(object)) continue;
      if (object.type != TokenType::container || *object.text.data != '{') {
        found |= field_type;
        continue;
      }
      for (Token& token : tokens) token.type = TokenType::absent;
      for (Elements members(object.text); members.next(key);) members.next(tokens[member_index(keys, key)]);
      size_t start = items.size();
      bool any = false;
      for (size_t i = 0; i < keys.size(); ++i) {
        found |= read(element, tokens[i], false);
        items.push_back(values[element.slot]);
        any |= items.back().type != ValueType::absent;
      }
      if (any) ++count;
      else items.resize(start);
    }
    values[reading.slot].set_list(ValueType::objects, first, count, reading.has(keeps_empty));
    values[reading.slot].name = reading.table;
    return found;
  }

  size_t member_index(const std::vector<std::string>& keys, const Token& key) {
    Slice text = key.escaped ? unescaped(key) : key.text;
    size_t i = 0;
    while (i < keys.size() && keys[i] != std::string_view(text.data, text.size_bytes)) ++i;
    return i;
  }

  CFDNS_NOINLINE uint8_t read_integer(const Reading& reading, Slice text) {
    int64_t number;
    IntegerResult result = parse_integer(text, number);
    if (result == IntegerResult::malformed) result = parse_exact_integer(text, number);
    if (result != IntegerResult::ok) return refuse(reading, problem_of(result));
    return set_number(reading, number, {nothing, 0});
  }

  static Problem problem_of(IntegerResult result) {
    return result == IntegerResult::out_of_range ? field_range : field_type;
  }

  CFDNS_NOINLINE uint8_t read_boolean_text(const Reading& reading, Slice text) {
    const std::string_view word(text.data, text.size_bytes);
    const bool yes = word == "true";
    if (!yes && word != "false") return read_integer(reading, text);
    set_boolean(reading, yes);
    return no_problem;
  }

  uint8_t set_enumeration(const Reading& reading, int64_t number) {
    if (number < 0 || number > 65535) return refuse(reading, field_range);
    uint16_t name = plan_.enumerations[reading.table].index[static_cast<size_t>(number)];
    if (name == 0) return set_unassigned(reading, number);
    set_name(reading.slot, reading.table, name);
    return no_problem;
  }

  CFDNS_NOINLINE uint8_t set_unassigned(const Reading& reading, int64_t number) {
    const std::string& before = plan_.enumerations[reading.table].unassigned;
    clear(reading);
    if (before.empty()) return no_problem;
    char* to = made_text(reading.slot);
    std::memcpy(to, before.data(), before.size());
    char* end = write_integer(to + before.size(), number);
    set_text(reading.slot, {to, static_cast<size_t>(end - to)}, false);
    return no_problem;
  }

  void set_boolean(const Reading& reading, bool yes) {
    if (reading.has(is_named)) {
      set_name(reading.slot, reading.table, yes ? 2 : 1);
    } else {
      values[reading.slot].set_boolean(yes);
    }
  }

  CFDNS_NOINLINE uint8_t read_time_text(const Reading& reading, Slice text) {
    Time time;
    TimeResult result = time_from_rfc3339(text, time);
    return result == TimeResult::malformed ? read_time_decimal(reading, text) : set_time(reading, result, time);
  }

  CFDNS_NOINLINE uint8_t read_time_decimal(const Reading& reading, Slice number) {
    Time time;
    TimeResult result = time_from_decimal(number, plan_.unit, time);
    return set_time(reading, result, time);
  }

  CFDNS_INLINE uint8_t read_time_number(const Reading& reading, const Token& token) {
    const Slice text = token.text;
    // Only the text is needed, and its digits are those of the token.
    bool is_ns = token.integer && text.size_bytes == TimeFormatter::ns_digits && formats_times && !counts_times &&
                 (plan_.unit == TimestampUnit::automatic || plan_.unit == TimestampUnit::ns);
    if (is_ns) {
      char* to = made_text(reading.slot);
      size_t size_bytes = formatter_.write_remembered(text.data, reading.has(nine_digits), to);
      if (size_bytes != 0) {
        set_text(reading.slot, {to, size_bytes}, true);
        return no_problem;
      }
    }
    return read_other_second(reading, token, is_ns);
  }

  CFDNS_NOINLINE uint8_t read_other_second(const Reading& reading, const Token& token, bool is_ns) {
    const Slice text = token.text;
    if (!token.integer || text.size_bytes > 19 || *text.data == '-' || *text.data == '0') {
      return read_time_decimal(reading, text);
    }
    Time time;
    TimeResult result = time_from_digits(text, plan_.unit, time);
    uint8_t found = set_time(reading, result, time);
    if (is_ns && found == no_problem) formatter_.remember(text.data);
    return found;
  }

  uint8_t set_time(const Reading& reading, TimeResult result, const Time& time) {
    if (result == TimeResult::malformed) return refuse(reading, field_type);
    if (result == TimeResult::out_of_range) return refuse(reading, field_range);
    char* to = made_text(reading.slot);
    size_t size_bytes = formats_times ? formatter_.write(time, reading.has(nine_digits), to) : 0;
    set_text(reading.slot, {to, size_bytes}, true);
    values[reading.slot].integer = time.whole_ns();
    return no_problem;
  }

  // Read a time as the milliseconds since 1970, rounded down. `integer`: the text is an integer of JSON.
  CFDNS_NOINLINE uint8_t read_milliseconds(const Reading& reading, Slice text, bool integer) {
    Time time;
    TimeResult result = TimeResult::malformed;
    if (integer && text.size_bytes <= 19 && *text.data != '-' && *text.data != '0') {
      result = time_from_digits(text, plan_.unit, time);
    } else {
      if (!integer) result = time_from_rfc3339(text, time);
      if (result == TimeResult::malformed) result = time_from_decimal(text, plan_.unit, time);
    }
    if (result == TimeResult::malformed) return refuse(reading, field_type);
    if (result == TimeResult::out_of_range) return refuse(reading, field_range);
    values[reading.slot].set_integer(time.whole_ms(), {nothing, 0});
    return no_problem;
  }

  CFDNS_INLINE void read_name(const Reading& reading, Slice text, bool plain) {
    Slice name = text;
    while (name.size_bytes != 0 && *name.data == '.') ++name.data, --name.size_bytes;
    while (name.size_bytes != 0 && name.end()[-1] == '.') --name.size_bytes;
    Slice whole = reading.has(keeps_dots) ? text : name;
    set_any_text(reading.slot, whole, plain);
    const bool may_change = reading.flags >= keeps_root;
    if (may_change && !(plain && name.size_bytes != 0 && is_printable(whole))) change_name(reading, text);
    NameParts parts;
    bool is_split = reading.has(wants_parts) && name.size_bytes != 0 && !is_ip(name);
    if (is_split) parts = plan_.suffixes->split(name, plain);
    set_any_text(reading.slot + 1u, from(name, parts.registered_domain), plain);
    set_any_text(reading.slot + 2u, {name.data, parts.subdomain_end}, plain);
    set_any_text(reading.slot + 3u, from(name, parts.top_level_domain), plain);
  }

  // Few mappings need this. Call after the name is set.
  CFDNS_NOINLINE void change_name(const Reading& reading, Slice text) {
    const bool is_root = text.size_bytes == 1 && *text.data == '.';
    if (reading.has(keeps_root) && is_root) set_text(reading.slot, text, false);
    const Value& name = values[reading.slot];
    if (!reading.has(escapes) || name.type == ValueType::absent) return;
    set_text(reading.slot, escape_name(name.text, new_text()), false);
  }

  static Slice from(Slice name, size_t offset) {
    return offset == NameParts::none ? Slice{nothing, 0} : Slice{name.data + offset, name.size_bytes - offset};
  }

  // The digits of a number that the record writes in another way.
  CFDNS_COLD Slice digits(int64_t number) {
    std::string& text = new_text();
    text.resize(max_integer_bytes + padding_bytes);
    char* end = write_integer(text.data(), number);
    return {text.data(), static_cast<size_t>(end - text.data())};
  }

  TimeFormatter formatter_;
};

}  // namespace cfdns
