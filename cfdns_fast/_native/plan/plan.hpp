// Plan: a mapping compiled by Python: which keys to read, how to read them, and what to write. Immutable in use.
#pragma once

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "matching/predicates.hpp"
#include "plan/checks.hpp"
#include "values/suffix_table.hpp"
#include "values/timestamp.hpp"
#include "values/value.hpp"

namespace cfdns {

// How a value is read; data/README.md describes each kind. All kinds of names share one reading.
enum class Kind : uint8_t {
  text = 0,
  integer = 1,
  boolean = 2,
  enumeration = 3,
  timestamp = 4,
  ip = 5,
  domain_name = 6,   // a Python enum has a `name` of its own
  milliseconds = 7,  // a timestamp as an integer
  list = 8,
  objects = 9
};

constexpr size_t name_slots = 4;  // name, registered_domain, subdomain, top_level_domain

enum ReadingFlag : uint8_t {
  wants_parts = 1,   // names: registered domain, subdomain or top-level domain are mapped
  keeps_dots = 2,    // names: leading and trailing dots stay
  nine_digits = 4,   // timestamps: the text has nine digits
  is_named = 8,      // booleans: the value is a name of the enumeration
  keeps_empty = 16,  // lists and objects: an empty array is a value
  keeps_root = 32,   // names: the root "." is a value
  escapes = 64,      // names: bytes other than printable ASCII are escaped
  wraps = 128        // lists: each element becomes an object with one member
};

// Reads an input into a slot, or into four slots for a name.
struct Reading {
  Kind kind;
  Kind element;  // kind of the elements of a list
  uint8_t flags;
  uint16_t slot;
  uint16_t table;  // index of an enumeration, or of a member list

  bool has(ReadingFlag flag) const { return flags & flag; }
};

// A key as most records write it, with quotes and colon. The masks exclude the bytes after it.
struct KeyWords {
  static constexpr size_t max_bytes = 24;
  uint64_t words[3] = {};
  uint64_t masks[3] = {};
};

struct Source {
  KeyWords key_words;       // valid if `size_bytes` is not 0
  uint32_t size_bytes = 0;  // 0 if the key is too long, or JSON may write it differently
  std::string key;
};

// The sources of a value: the first that has one is read.
struct Input {
  Reading reading{};  // a copy of the first reading
  uint16_t source = 0;
  bool required = false;
  bool is_single = false;    // one source and one reading, as most inputs have
  uint16_t first_other = 0;  // index in Plan::others of the next source to try
  uint16_t last_other = 0;
  uint16_t first_reading = 0;
  uint16_t last_reading = 0;
};

// A slot that takes the first value of several slots, or all of them.
struct DerivedSlot {
  uint16_t slot;
  std::vector<uint16_t> from;
};

// A slot whose texts are observables: the first members of their objects. The last member is the text.
struct Observed {
  uint16_t slot;
  Value name;
  Value type;
  Value type_id;
};

// A slot for the observables of several slots, as a list of objects.
struct Observables {
  uint16_t slot;
  uint16_t members;  // index of the member list
  std::vector<Observed> from;
};

// A slot for one of two names: the second if the record has a problem.
struct ConstantByProblem {
  uint16_t slot;
  uint16_t table;
};

// Text with padding after it.
class PaddedText {
 public:
  PaddedText() = default;
  explicit PaddedText(std::string_view text) : text_(text), size_bytes_(text.size()) {
    text_.append(padding_bytes, '\0');
  }
  Slice slice() const { return {text_.data(), size_bytes_}; }

 private:
  std::string text_;
  size_t size_bytes_ = 0;
};

// The members that are read of the objects in a list.
struct MemberList {
  std::vector<std::string> keys;
  std::vector<PaddedText> json_keys;  // each with its quotes and colon
  size_t json_bytes = 2;              // size of an object without its values
};

// Names by number, 0 to 65535. Index 0 means that a number has no name.
struct Enumeration {
  std::vector<uint16_t> index;                                 // empty if no number is looked up
  std::vector<PaddedText> names = std::vector<PaddedText>(1);  // as JSON text without the quotes
  std::vector<PaddedText> texts = std::vector<PaddedText>(1);  // as text
  std::string unassigned;  // prefix of a number without a name; empty if such a number has no value
};

// What a step of the NDJSON writer does.
enum class StepKind : uint8_t {
  literal = 0,  // writes text that is the same in every event
  open = 1,     // opens an object
  close = 2,    // closes an object
  raw = 3,      // writes the record's own text
  slot = 4      // writes the value of a slot
};

// A step of the NDJSON writer. `before` is the key of a value with the opening bracket and quote; `after` has the
// closing ones and a comma.
struct Step {
  Slice before;  // points into the plan's fragments; padded
  char after[8] = {};
  uint16_t slot = 0;
  StepKind kind = StepKind::literal;
  uint8_t after_bytes = 0;
};

class Plan {
 public:
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  static constexpr uint16_t no_slot = UINT16_MAX;

  std::vector<Source> sources;
  size_t key_count = 0;  // the first key_count sources are keys that the mapping names
  std::vector<Input> inputs;
  std::vector<uint16_t> others;
  std::vector<Reading> readings;  // grouped by input
  std::vector<MemberList> members;
  std::vector<DerivedSlot> coalesced;  // made before `collected`, which may use them
  std::vector<DerivedSlot> collected;
  std::vector<Observables> observables;  // made after `coalesced`, which it may use
  std::vector<ConstantByProblem> constants_by_problem;
  std::vector<std::string> problem_texts;              // in the order of Event::problems
  uint16_t problems_slot = no_slot;                    // the slot of a record's problems as text
  size_t slot_text_bytes = TimeFormatter::text_bytes;  // size of the text that a reading makes
  size_t unescapings = 1;                              // maximum number of times that a string of a record is unescaped
  bool has_derived_slots = false;                      // some slot is made from other slots or from problems
  bool has_required = false;                           // a missing input is a problem
  std::vector<Enumeration> enumerations;
  std::vector<Step> steps;
  std::shared_ptr<const SuffixTable> suffixes;
  TimestampUnit unit = TimestampUnit::automatic;
  size_t max_record_bytes = 0;
  std::string record_delimiter;  // ends records as newlines do; empty if there is none, and without brackets and quotes
  size_t slot_count = 0;
  uint16_t matched_source = 0;           // the source of the name that matchers see, if there are matchers
  std::vector<uint16_t> matched_others;  // the sources to try if it has no value
  uint16_t matched_domain = no_slot;     // the slot of the name's registered domain by the ICANN section, if any
  // The slots of the other fields that conditions compare, by MatchedField.
  uint16_t matched_slots[matched_fields] = {no_slot, no_slot, no_slot, no_slot};
  uint16_t matched_addresses[2] = {no_slot, no_slot};   // the slots of the address that asked, and of the answers
  std::shared_ptr<const SuffixTable> matched_suffixes;  // the rules of the ICANN section

  // Add each key once.
  void add_source(std::string_view key) {
    Source source;
    source.key.assign(key);
    bool plain = true;
    for (char c : key) plain &= c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
    std::string text = '"' + source.key + "\":";
    if (plain && text.size() <= KeyWords::max_bytes) {
      source.size_bytes = static_cast<uint32_t>(text.size());
      text.append(padding_bytes, '\0');
      for (size_t i = 0; i < 3; ++i) {
        size_t left = source.size_bytes > 8 * i ? source.size_bytes - 8 * i : 0;
        source.key_words.words[i] = load64(text.data() + 8 * i);
        source.key_words.masks[i] = left == 0 ? 0 : UINT64_MAX >> (left < 8 ? 64 - 8 * left : 0);
      }
    }
    sources.push_back(std::move(source));
  }

  // Add in the order of Event::problems.
  void add_problem_text(std::string_view text) { problem_texts.emplace_back(text); }

  void add_input(size_t source, bool required) {
    Input input;
    input.source = narrow_index(source);
    input.first_other = input.last_other = narrow_index(others.size());
    input.first_reading = input.last_reading = narrow_index(readings.size());
    input.required = required;
    has_required |= required;
    note_use(source);
    inputs.push_back(input);
  }

  // Add to the last input.
  void add_other(size_t source) {
    note_use(source);
    others.push_back(narrow_index(source));
    inputs.back().last_other = narrow_index(others.size());
  }

  // Add to the last input.
  void add_reading(int kind, int element, int flags, size_t slot, size_t table) {
    readings.push_back({checked_enum(kind, Kind::objects), checked_enum(element, Kind::objects),
                        static_cast<uint8_t>(flags), narrow_index(slot), narrow_index(table)});
    Input& input = inputs.back();
    input.last_reading = narrow_index(readings.size());
    input.reading = readings[input.first_reading];
    input.is_single = input.last_reading == input.first_reading + 1 && input.first_other == input.last_other;
    if (readings.back().kind >= Kind::list) ++unescapings, has_lists_ = true;
  }

  void add_members() { members.emplace_back(); }

  // Add to the last member list. `json_key`: the key with quotes and colon.
  void add_member(std::string_view key, std::string_view json_key) {
    members.back().keys.emplace_back(key);
    members.back().json_keys.emplace_back(json_key);
    members.back().json_bytes += json_key.size() + 3;
  }

  void add_coalesced(size_t slot) {
    coalesced.push_back({narrow_index(slot), {}});
    has_derived_slots = true;
  }
  void add_coalesced_from(size_t slot) { coalesced.back().from.push_back(narrow_index(slot)); }
  void add_collected(size_t slot) {
    collected.push_back({narrow_index(slot), {}});
    has_derived_slots = true;
  }
  void add_collected_from(size_t slot) {
    collected.back().from.push_back(narrow_index(slot));
    ++variable_steps_;
    fixed_bytes_ += padding_bytes;
  }
  void add_observables(size_t slot, size_t members) {
    observables.push_back({narrow_index(slot), narrow_index(members), {}});
    has_derived_slots = has_lists_ = true;
  }
  // Add to the last observables.
  void add_observed(size_t slot, std::string_view name, std::string_view type, int64_t type_id) {
    Observed observed{narrow_index(slot), {}, {}, {}};
    for (auto [value, text] : {std::pair(&observed.name, name), std::pair(&observed.type, type)}) {
      fragments_.emplace_back(text);
      value->type = ValueType::text;
      value->plain = false;
      value->text = fragments_.back().slice();
    }
    observed.type_id.set_integer(type_id, {nothing, 0});
    observables.back().from.push_back(observed);
  }
  void add_constant_by_problem(size_t slot, size_t table) {
    has_derived_slots = true;
    constants_by_problem.push_back({narrow_index(slot), narrow_index(table)});
  }

  // `max_text_bytes`: size of all problems as text.
  void set_problems_slot(size_t slot, size_t max_text_bytes) {
    problems_slot = narrow_index(slot);
    has_derived_slots = true;
    fixed_bytes_ += 6 * max_text_bytes;
  }

  // Set what matchers read. `domain`: SIZE_MAX if no slot has it.
  void set_matched(size_t source, size_t domain, std::shared_ptr<const SuffixTable> icann) {
    matched_source = narrow_index(source);
    matched_domain = domain == SIZE_MAX ? no_slot : narrow_index(domain);
    matched_suffixes = std::move(icann);
  }
  // `field`: a MatchedField.
  void set_matched_field(size_t field, size_t slot) {
    if (field >= matched_fields) throw std::invalid_argument("unknown field of conditions");
    matched_slots[field] = narrow_index(slot);
  }
  // `index`: 0 for the address that asked, 1 for the answers.
  void set_matched_address(size_t index, size_t slot) { matched_addresses[index != 0] = narrow_index(slot); }
  void add_matched_other(size_t source) { matched_others.push_back(narrow_index(source)); }

  void add_enumeration(std::string_view unassigned) {
    enumerations.emplace_back();
    enumerations.back().unassigned.assign(unassigned);
    constexpr size_t number_bytes = 5;
    size_t text_bytes = unassigned.size() + number_bytes;
    if (text_bytes + padding_bytes > slot_text_bytes) slot_text_bytes = text_bytes + padding_bytes;
    if (6 * text_bytes > name_bytes_) name_bytes_ = 6 * text_bytes;
  }

  // Add to the last enumeration. `name`: the text as JSON, without quotes.
  void add_name(uint32_t number, std::string_view name, std::string_view text) {
    Enumeration& table = enumerations.back();
    if (number > UINT16_MAX) throw std::invalid_argument("the number of a name is above 65535");
    table.index.resize(65536, 0);
    table.index[number] = narrow_index(table.names.size());
    add_name(name, text);
  }

  // Add to the last enumeration the name of every number that has none, after all others.
  void add_default_name(std::string_view name, std::string_view text) {
    Enumeration& table = enumerations.back();
    table.index.resize(65536, 0);
    for (uint16_t& index : table.index) index = index == 0 ? narrow_index(table.names.size()) : index;
    add_name(name, text);
  }

  // Add a name that no number has.
  void add_name(std::string_view name, std::string_view text) {
    enumerations.back().names.emplace_back(name);
    enumerations.back().texts.emplace_back(text);
    name_bytes_ = name.size() > name_bytes_ ? name.size() : name_bytes_;
  }

  void add_step(int kind, size_t slot, std::string_view before, std::string_view after) {
    Step step;
    step.kind = checked_enum(kind, StepKind::slot);
    step.slot = narrow_index(slot);
    if (after.size() > sizeof step.after) throw std::invalid_argument("the end of a step is too long");
    if (step.kind == StepKind::open) depth_.open();
    if (step.kind == StepKind::close) depth_.close();
    fragments_.emplace_back(before);
    step.before = fragments_.back().slice();
    std::memcpy(step.after, after.data(), after.size());
    step.after_bytes = static_cast<uint8_t>(after.size());
    fixed_bytes_ += before.size() + sizeof step.after;
    if (step.kind == StepKind::slot) fixed_bytes_ += TimeFormatter::text_bytes + padding_bytes;
    if (step.kind == StepKind::slot || step.kind == StepKind::raw) ++variable_steps_;
    steps.push_back(step);
  }

  // The maximum size of an event without its text and raw values.
  size_t fixed_bytes() const { return fixed_bytes_ + variable_steps_ * name_bytes_ + 2 * padding_bytes; }
  size_t variable_steps() const { return variable_steps_; }

  // The index of the source with this key, or sources.size() if there is none.
  size_t find_source(std::string_view key) const {
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].key == key) return i;
    }
    return sources.size();
  }

  bool has_lists() const { return has_lists_; }

 private:
  void note_use(size_t source) {
    used_.resize(sources.size(), false);
    if (used_[source]) ++unescapings;
    used_[source] = true;
  }

  std::vector<bool> used_;  // by source: an input reads it
  bool has_lists_ = false;
  StepDepth depth_;
  std::deque<PaddedText> fragments_;  // a deque never moves its elements
  size_t fixed_bytes_ = 2;
  size_t variable_steps_ = 0;
  size_t name_bytes_ = 0;
};

}  // namespace cfdns
