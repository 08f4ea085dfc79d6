// Event: the values of one record as the plan wants them, before any writer. This is where a rule is applied, once.
#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

#include "address.hpp"
#include "elements.hpp"
#include "value.hpp"

namespace cfdns {

class Event {
 public:
  explicit Event(const Plan& plan)
      // One slot more, for the elements of lists.
      : values(plan.slot_count + 1),
        problems(plan.sources.size() * problem_codes, 0),
        plan_(plan),
        found_(plan.sources.size(), no_problem) {
    made_texts_.reserve(plan.slot_count * plan.slot_text_bytes, 0);
  }

  std::vector<Value> values;       // by slot
  std::vector<Value> items;        // of lists and objects
  std::vector<uint64_t> problems;  // by source and code, over all records so far
  bool formats_times = true;       // somebody wants the text of timestamps
  bool counts_times = false;       // and their nanoseconds

  void resolve(const Record& record) {
    unescaped_bytes_ = 0;
    record_bytes_ = record.raw.size_bytes;
    items.clear();
    bool any = false;
    const Token* tokens = record.tokens.data();
    const Reading* readings = plan_.readings.data();
    for (const Input& input : plan_.inputs) {
      size_t source = input.is_plain ? input.source : first_present(input, tokens);
      uint8_t found = read(readings + input.first_reading, readings + input.last_reading, tokens[source], input.required);
      if (found == no_problem) continue;
      found_[source] |= found;
      any = true;
    }
    if (any) count_problems();
    if (!plan_.has_derived_slots) return;
    for (const Gathering& first : plan_.firsts) take_first(first);
    for (const Gathering& collection : plan_.collections) collect(collection);
    for (const Verdict& verdict : plan_.verdicts) set_name(verdict.slot, verdict.table, any ? 2 : 1);
    if (plan_.problems_slot != Plan::no_slot) {
      values[plan_.problems_slot].type = ValueType::absent;
      if (any) set_text(plan_.problems_slot, {problem_text_.data(), problem_text_.size() - padding_bytes}, false);
    }
  }

  // Give memory back if it is more than usual records need. The values at hand are gone then.
  void trim(size_t kept_bytes) {
    unescaped_.trim(kept_bytes);
    if (items.capacity() > kept_bytes / sizeof(Value)) items = std::vector<Value>();
    forget_seen();
  }

 private:
  static bool is_absent(const Token& token) {
    bool empty = token.type == TokenType::string && token.text.size_bytes == 0;
    return empty || token.type == TokenType::absent || token.type == TokenType::null;
  }

  CFDNS_COLD size_t first_present(const Input& input, const Token* tokens) const {
    if (!is_absent(tokens[input.source])) return input.source;
    for (size_t i = input.first_other; i < input.last_other; ++i) {
      if (!is_absent(tokens[plan_.others[i]])) return plan_.others[i];
    }
    return input.source;
  }

  uint8_t read(const Reading* reading, const Reading* last, const Token& token, bool required) {
    if (is_absent(token)) {
      for (; reading != last; ++reading) clear(*reading);
      return required ? field_missing : no_problem;
    }
    uint8_t found = no_problem;
    if (token.type == TokenType::string) {
      Slice text = token.escaped ? unescaped(token) : token.text;
      for (; reading != last; ++reading) found |= read_string(*reading, text, !token.escaped);
      return found;
    }
    for (; reading != last; ++reading) {
      clear(*reading);
      found |= token.type == TokenType::number ? read_number(*reading, token) : read_other(*reading, token);
    }
    return found;
  }

  CFDNS_COLD void count_problems() {
    problem_text_.clear();
    for (size_t source = 0; source < found_.size(); ++source) {
      for (size_t code = 0; code < problem_codes; ++code) {
        if ((found_[source] >> code & 1) == 0) continue;
        ++problems[source * problem_codes + code];
        if (plan_.problems_slot == Plan::no_slot) continue;
        if (!problem_text_.empty()) problem_text_ += ", ";
        problem_text_ += plan_.problem_texts[source * problem_codes + code];
      }
      found_[source] = no_problem;
    }
    problem_text_.append(padding_bytes, '\0');
  }

  void clear(const Reading& reading) {
    values[reading.slot].type = ValueType::absent;
    if (reading.kind != Kind::name) return;
    for (size_t i = 1; i < name_slots; ++i) values[reading.slot + i].type = ValueType::absent;
  }

  // The strings of a record never need more room unescaped than the record takes, so the text stays where it is. Every
  // reading of a list unescapes for itself.
  Slice unescaped(const Token& token) {
    if (unescaped_bytes_ == 0) unescaped_.reserve(record_bytes_ * plan_.unescapings, 0);
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
      case Kind::boolean: return read_boolean_text(reading, text);
      default: return field_type;
    }
  }

  uint8_t read_number(const Reading& reading, const Token& token) {
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
        return number == 0 || number == 1 ? set_boolean(reading, number != 0) : field_type;
      case Kind::text: set_text(reading.slot, token.text, true); return no_problem;
      default: return field_type;
    }
  }

  // true, false, an array or an object
  uint8_t read_other(const Reading& reading, const Token& token) {
    if (token.type == TokenType::container) {
      if (*token.text.data != '[') return field_type;
      if (reading.kind == Kind::list) return read_list(reading, token.text);
      return reading.kind == Kind::objects ? read_objects(reading, token.text) : field_type;
    }
    return reading.kind == Kind::boolean ? set_boolean(reading, token.type == TokenType::boolean_true) : field_type;
  }

  CFDNS_COLD uint8_t read_list(const Reading& reading, Slice array) {
    const Reading element{reading.element, reading.element, 0, static_cast<uint16_t>(plan_.slot_count), 0};
    size_t first = items.size();
    uint8_t found = no_problem;
    Token token;
    for (Elements elements(array); elements.next(token);) {
      found |= read(&element, &element + 1, token, false);
      if (values[element.slot].type != ValueType::absent) items.push_back(values[element.slot]);
    }
    set_list(reading.slot, ValueType::list, first, items.size() - first, reading.has(Reading::keeps_empty));
    return found;
  }

  CFDNS_COLD uint8_t read_objects(const Reading& reading, Slice array) {
    const Reading element{Kind::text, Kind::text, 0, static_cast<uint16_t>(plan_.slot_count), 0};
    const std::vector<std::string>& keys = plan_.members[reading.table].keys;
    size_t first = items.size();
    size_t count = 0;
    uint8_t found = no_problem;
    Token object, key;
    std::vector<Token> tokens(keys.size() + 1);  // the last one is for other keys
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
        found |= read(&element, &element + 1, tokens[i], false);
        items.push_back(values[element.slot]);
        any |= items.back().type != ValueType::absent;
      }
      if (any) ++count;
      else items.resize(start);
    }
    set_list(reading.slot, ValueType::objects, first, count, reading.has(Reading::keeps_empty));
    values[reading.slot].name = reading.table;
    return found;
  }

  size_t member_index(const std::vector<std::string>& keys, const Token& key) {
    Slice text = key.escaped ? unescaped(key) : key.text;
    size_t i = 0;
    while (i < keys.size() && keys[i] != std::string_view(text.data, text.size_bytes)) ++i;
    return i;
  }

  void set_list(size_t slot, ValueType type, size_t first, size_t count, bool keeps_empty) {
    Value& value = values[slot];
    value.type = count == 0 && !keeps_empty ? ValueType::absent : type;
    value.integer = static_cast<int64_t>(first);
    value.count = static_cast<uint32_t>(count);  // a record has at most 2^30 bytes
  }

  void take_first(const Gathering& first) {
    values[first.slot].type = ValueType::absent;
    for (uint16_t slot : first.from) {
      if (values[slot].type == ValueType::absent) continue;
      values[first.slot] = values[slot];
      return;
    }
  }

  // Every value once, in the order of its first appearance.
  void collect(const Gathering& collection) {
    size_t first = items.size();
    forget_seen();
    for (uint16_t slot : collection.from) {
      const Value value = values[slot];
      if (value.type == ValueType::absent) continue;
      if (value.type != ValueType::list) {
        collect(value);
        continue;
      }
      for (size_t i = 0; i < value.count; ++i) collect(Value(items[static_cast<size_t>(value.integer) + i]));
    }
    set_list(collection.slot, ValueType::list, first, items.size() - first, false);
  }

  // Clearing takes as long as the set is wide, which a small record must not pay for a large one before it.
  void forget_seen() {
    constexpr size_t most_buckets = 1024;
    if (seen_.bucket_count() > most_buckets) seen_ = std::unordered_set<std::string_view>();
    else seen_.clear();
  }

  void collect(const Value& value) {
    if (seen_.insert({value.text.data, value.text.size_bytes}).second) items.push_back(value);
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
    if (name != 0) {
      set_name(reading.slot, reading.table, name);
    } else if (!table.unassigned.empty()) {
      char* to = made_text(reading.slot);
      std::memcpy(to, table.unassigned.data(), table.unassigned.size());
      char* end = put_integer(to + table.unassigned.size(), number);
      set_text(reading.slot, {to, static_cast<size_t>(end - to)}, false);
    }
    return no_problem;
  }

  void set_name(size_t slot, uint16_t table, uint16_t name) {
    set(values[slot], ValueType::name, table);
    values[slot].name = name;
    values[slot].text = plan_.enumerations[table].names[name].slice();
    values[slot].plain = true;
  }

  uint8_t set_boolean(const Reading& reading, bool yes) {
    if (reading.has(Reading::is_named)) {
      set_name(reading.slot, reading.table, yes ? 2 : 1);
    } else {
      set(values[reading.slot], ValueType::boolean, yes);
    }
    return no_problem;
  }

  uint8_t read_boolean_text(const Reading& reading, Slice text) {
    auto is = [&](const char* word, size_t size_bytes) {
      return text.size_bytes == size_bytes && std::memcmp(text.data, word, size_bytes) == 0;
    };
    if (is("true", 4) || is("1", 1)) return set_boolean(reading, true);
    return is("false", 5) || is("0", 1) ? set_boolean(reading, false) : field_type;
  }

  uint8_t read_time_text(const Reading& reading, Slice text) {
    Time time;
    TimeResult result = time_from_rfc3339(text, time);
    return result == TimeResult::malformed ? set_time(reading, text) : set_time(reading, result, time);
  }

  uint8_t read_time_number(const Reading& reading, const Token& token) {
    const Slice& text = token.text;
    if (!token.integer || text.size_bytes > 19 || *text.data == '-' || *text.data == '0') return set_time(reading, text);
    bool is_ns = text.size_bytes == TimeFormatter::ns_digits &&
                 (plan_.unit == TimestampUnit::automatic || plan_.unit == TimestampUnit::ns);
    bool only_text = formats_times && !counts_times;
    if (is_ns && only_text) {
      char* to = made_text(reading.slot);
      size_t size_bytes = formatter_.put_remembered(text.data, reading.has(Reading::nine_digits), to);
      if (size_bytes != 0) {
        set_text(reading.slot, {to, size_bytes}, true);
        return no_problem;
      }
    }
    Time time;
    TimeResult result = time_from_digits(text, plan_.unit, time);
    uint8_t found = set_time(reading, result, time);
    if (is_ns && only_text && found == no_problem) formatter_.remember(text.data);
    return found;
  }

  uint8_t set_time(const Reading& reading, Slice number) {
    Time time;
    TimeResult result = time_from_decimal(number, plan_.unit, time);
    return set_time(reading, result, time);
  }

  uint8_t set_time(const Reading& reading, TimeResult result, const Time& time) {
    if (result == TimeResult::malformed) return field_type;
    if (result == TimeResult::out_of_range) return field_range;
    char* to = made_text(reading.slot);
    size_t size_bytes = formats_times ? formatter_.put(time, reading.has(Reading::nine_digits), to) : 0;
    set_text(reading.slot, {to, size_bytes}, true);
    values[reading.slot].integer = time.whole_ns();
    return no_problem;
  }

  uint8_t read_name(const Reading& reading, Slice name, bool plain) {
    if (reading.has(Reading::keeps_dots)) set_text(reading.slot, name, plain);
    while (name.size_bytes != 0 && *name.data == '.') ++name.data, --name.size_bytes;
    while (name.size_bytes != 0 && name.end()[-1] == '.') --name.size_bytes;
    if (name.size_bytes == 0) return no_problem;
    if (!reading.has(Reading::keeps_dots)) set_text(reading.slot, name, plain);
    if (!reading.has(Reading::wants_parts) || is_ip(name)) return no_problem;
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

  // Room for text that is no part of the record.
  char* made_text(size_t slot) { return made_texts_.data() + slot * plan_.slot_text_bytes; }

  const Plan& plan_;
  TimeFormatter formatter_;
  Buffer made_texts_;
  Buffer unescaped_;
  size_t unescaped_bytes_ = 0;
  size_t record_bytes_ = 0;
  std::vector<uint8_t> found_;  // Problem bits of this record, by source
  std::string problem_text_;
  std::unordered_set<std::string_view> seen_;
};

}  // namespace cfdns
