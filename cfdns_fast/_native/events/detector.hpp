// Detector: runs the matchers on the query name of each event: first a screen, and after the event is written, so that
// prefetched memory has arrived, the exact tests.
#pragma once

#include <string>

#include "events/address_finder.hpp"
#include "events/event.hpp"
#include "matching/detection_list.hpp"
#include "matching/matcher_set.hpp"
#include "matching/sliver.hpp"
#include "support/compiler.hpp"
#include "support/prefetch.hpp"

namespace cfdns {

class Detector {
 public:
  Detector(const Plan& plan, const MatcherSet& matchers)
      : plan_(plan),
        matchers_(matchers),
        addresses_(plan, matchers),
        has_sliver_(matchers.has_sliver()),
        has_conditions_(!matchers.conditions().empty()),
        has_networks_(addresses_.is_used()),
        has_other_sources_(!plan.matched_others.empty()) {
    if (matchers.names().empty()) return;
    const std::vector<uint64_t>& words = matchers.names().front().table->filter().words();
    words_ = words.data();
    word_count_ = words.size();
    has_other_tables_ = matchers.names().size() > 1;
  }

  // Screen an event. Call before it is written, once.
  CFDNS_INLINE void begin(const Record& record, const Event& event) {
    passed_ = has_networks_ && addresses_.may_match(event) ? addresses_screen : 0;
    word_ = &no_bits;
    if (!read_name(record, event)) {
      name_.text = {no_name, 0};
      return;
    }
    if (words_ != nullptr) {
      const NameHash hash(name_.key());
      word_ = words_ + hash.index(word_count_);
      prefetch_now(word_);
      bits_ = NameFilter::bits_of(hash);
      if (has_other_tables_) screen_other_tables(hash);
    }
    if (has_sliver_ && SliverDecoder::may_match(name_.text)) passed_ |= sliver_screen;
    if (has_conditions_) screen_conditions();
  }

  // Whether finish() may find something.
  CFDNS_INLINE bool may_match() const { return passed_ != 0 || may_be_in_first_table(); }

  // The same as finish(), but the test of the first table waits until settle(), if the name passed no other screen:
  // its memory may arrive later than the event is written.
  CFDNS_INLINE void finish_later(const Event& values, uint64_t event, uint64_t byte_offset, DetectionList& found) {
    if (passed_ != 0) return finish(values, event, byte_offset, found);
    waiting_word_ = word_;
    waiting_bits_ = bits_;
    waiting_event_ = event;
    waiting_offset_ = byte_offset;
    waiting_name_ = name_;
    copy_loosely(waiting_text_, name_.text.data, name_.text.size_bytes);
  }

  // Do what waits. Call before the next finish_later(), and at the end of a loop.
  CFDNS_INLINE void settle(DetectionList& found) {
    const bool may_be_there = NameFilter::may_have(*waiting_word_, waiting_bits_);
    waiting_word_ = &no_bits;
    if (may_be_there) find_waiting(found);
  }

  // Add what matches to the list, of the matchers whose screens the name passed. The name of the event is still valid.
  CFDNS_NOINLINE void finish(const Event& values, uint64_t event, uint64_t byte_offset, DetectionList& found) const {
    const bool may_be_in_table = passed_ & other_tables_screen || may_be_in_first_table();
    Detection detection;
    detection.event = event;
    detection.byte_offset = byte_offset;
    detection.name = {name_.text.data, name_.text.size_bytes};
    for (const MatcherSet::Step& step : matchers_.steps()) {
      switch (step.kind) {
        case MatcherSet::Step::Kind::sliver:
          if (passed_ & sliver_screen) find_sliver(detection, found);
          break;
        case MatcherSet::Step::Kind::names:
          if (may_be_in_table) find_name(matchers_.names()[step.index], name_, detection, found);
          break;
        case MatcherSet::Step::Kind::conditions:
          if (passed_ & conditions_screen) {
            find_conditions(matchers_.conditions()[step.index], values, detection, found);
          }
          break;
      }
    }
    if (passed_ & addresses_screen) addresses_.finish(values, event, byte_offset, found);
  }

 private:
  static constexpr uint64_t no_bits = 0;
  static constexpr char no_name[padding_bytes] = {};

  // The screens that an event passed.
  static constexpr unsigned sliver_screen = 1;
  static constexpr unsigned other_tables_screen = 2;
  static constexpr unsigned conditions_screen = 4;
  static constexpr unsigned addresses_screen = 8;

  CFDNS_INLINE bool may_be_in_first_table() const { return NameFilter::may_have(*word_, bits_); }

  // GCC takes a function that only prefetches for one without an effect, and drops calls of it that are not inlined.
  CFDNS_INLINE static void prefetch_now(const uint64_t* word) {
#if !defined(_MSC_VER) || defined(__clang__)
    __builtin_prefetch(word);
#else
    (void)word;
#endif
  }

  void find_sliver(Detection& detection, DetectionList& found) const {
    SliverName message;
    if (!SliverDecoder::decode(name_.text, message)) return;
    detection.matcher = matchers_.sliver_number();
    detection.rule = static_cast<uint32_t>(message.message);
    detection.detail = message.id;
    detection.start = static_cast<uint32_t>(message.parent);
    found.add(detection);
  }

  static void find_name(const MatcherSet::Names& names, const MatchName& name, Detection& detection,
                        DetectionList& found) {
    NameTable::Match match;
    if (!names.table->find(name, match)) return;
    detection.matcher = names.number;
    detection.rule = match.row;
    detection.detail = match.metadata;
    detection.start = match.start;
    found.add(detection);
  }

  void find_conditions(const MatcherSet::Conditions& conditions, const Event& values, Detection& detection,
                       DetectionList& found) const {
    const Slice fields[matched_fields] = {name_.text, field(values, MatchedField::type),
                                          field(values, MatchedField::rcode), field(values, MatchedField::source)};
    detection.matcher = conditions.number;
    detection.detail = detection.start = 0;
    conditions.predicates->find(fields, [&](uint32_t condition) {
      detection.rule = condition;
      found.add(detection);
    });
  }

  // Find the query name: text that is not empty without the dots at its ends, and not longer than any name.
  CFDNS_INLINE bool read_name(const Record& record, const Event& event) {
    const Token& first = record.tokens[plan_.matched_source];
    const Token& token = !has_other_sources_ || has_value(first) ? first : other_token(record);
    if (token.type != TokenType::string) return false;
    if (token.escaped || plan_.matched_domain == Plan::no_slot) return read_other_name(token);
    set_text(token.text);
    name_.plain = true;
    name_.registered_bytes = event.values[plan_.matched_domain].text.size_bytes;
    return is_name();
  }

  static bool has_value(const Token& token) {
    const bool is_empty = token.type == TokenType::string && token.text.size_bytes == 0;
    return !is_empty && token.type != TokenType::absent && token.type != TokenType::null;
  }

  CFDNS_NOINLINE const Token& other_token(const Record& record) const {
    for (uint16_t source : plan_.matched_others) {
      if (has_value(record.tokens[source])) return record.tokens[source];
    }
    return record.tokens[plan_.matched_source];
  }

  CFDNS_NOINLINE bool read_other_name(const Token& token) {
    Slice text = token.text;
    if (token.escaped) {
      unescaped_.resize(text.size_bytes + padding_bytes);
      text.data = unescaped_.data();
      unescape(token.text, unescaped_.data(), text.size_bytes);
    }
    set_text(text);
    name_.plain = !token.escaped;
    name_.registered_bytes = 0;
    if (!is_name()) return false;
    if (is_ip(name_.text)) return true;
    const NameParts parts = plan_.matched_suffixes->split(name_.text, name_.plain);
    if (parts.registered_domain != NameParts::none) {
      name_.registered_bytes = name_.text.size_bytes - parts.registered_domain;
    }
    return true;
  }

  CFDNS_INLINE void set_text(Slice text) {
    while (text.size_bytes != 0 && *text.data == '.') ++text.data, --text.size_bytes;
    while (text.size_bytes != 0 && text.end()[-1] == '.') --text.size_bytes;
    name_.text = text;
  }

  bool is_name() const { return name_.text.size_bytes - 1 < DetectionList::max_name_bytes; }

  CFDNS_NOINLINE void screen_conditions() {
    for (const MatcherSet::Conditions& conditions : matchers_.conditions()) {
      if (!conditions.predicates->may_match(name_.text)) continue;
      passed_ |= conditions_screen;
      return;
    }
  }

  // The text of a field; no data if it has no value.
  Slice field(const Event& event, MatchedField field) const {
    const uint16_t slot = plan_.matched_slots[static_cast<size_t>(field)];
    if (slot == Plan::no_slot) return {};
    const Value& value = event.values[slot];
    if (value.type == ValueType::text) return value.text;
    if (value.type != ValueType::name) return {};
    return plan_.enumerations[static_cast<size_t>(value.integer)].texts[value.name].slice();
  }

  CFDNS_NOINLINE void screen_other_tables(const NameHash& hash) {
    for (const MatcherSet::Names& names : matchers_.names()) {
      if (NameFilter::may_have(*names.table->filter().word(hash), bits_)) passed_ |= other_tables_screen;
    }
  }

  CFDNS_NOINLINE void find_waiting(DetectionList& found) {
    waiting_name_.text.data = waiting_text_;
    Detection detection;
    detection.event = waiting_event_;
    detection.byte_offset = waiting_offset_;
    detection.name = {waiting_text_, waiting_name_.text.size_bytes};
    for (const MatcherSet::Names& names : matchers_.names()) find_name(names, waiting_name_, detection, found);
  }

  const Plan& plan_;
  const MatcherSet& matchers_;
  AddressFinder addresses_;
  MatchName name_;
  const uint64_t* words_ = nullptr;  // of the filter of the first table
  size_t word_count_ = 0;
  bool has_sliver_;
  bool has_conditions_;
  bool has_networks_;
  bool has_other_sources_;
  bool has_other_tables_ = false;
  unsigned passed_ = 0;
  uint64_t bits_ = 1;
  const uint64_t* word_ = &no_bits;

  // Of the event whose test of the first table waits.
  const uint64_t* waiting_word_ = &no_bits;
  uint64_t waiting_bits_ = 1;
  uint64_t waiting_event_ = 0;
  uint64_t waiting_offset_ = 0;
  MatchName waiting_name_;
  char waiting_text_[DetectionList::max_name_bytes + padding_bytes];
  std::string unescaped_;
};

}  // namespace cfdns
