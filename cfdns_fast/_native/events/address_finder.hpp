// AddressFinder: looks up the addresses of an event in the tables of networks.
#pragma once

#include "events/event.hpp"
#include "matching/detection_list.hpp"
#include "matching/matcher_set.hpp"
#include "support/compiler.hpp"

namespace cfdns {

class AddressFinder {
 public:
  AddressFinder(const Plan& plan, const MatcherSet& matchers) : plan_(plan), matchers_(matchers) {}

  bool is_used() const { return !matchers_.networks().empty(); }

  // Whether finish() may find something.
  CFDNS_NOINLINE bool may_match(const Event& event) const {
    bool found = false;
    visit(event, [&](DetectedField, uint8_t, Slice text) {
      for (const MatcherSet::Networks& networks : matchers_.networks()) found = found || networks.table->may_have(text);
    });
    return found;
  }

  // Add what matches to the list.
  CFDNS_NOINLINE void finish(const Event& values, uint64_t event, uint64_t byte_offset, DetectionList& found) const {
    Detection detection;
    detection.event = event;
    detection.byte_offset = byte_offset;
    for (const MatcherSet::Networks& networks : matchers_.networks()) {
      detection.matcher = networks.number;
      visit(values, [&](DetectedField field, uint8_t role, Slice text) {
        NetworkTable::Match match;
        if (!networks.table->find(text, role, match)) return;
        detection.field = field;
        detection.rule = match.row;
        detection.detail = match.metadata;
        detection.name = {text.data, text.size_bytes};
        found.add(detection);
      });
    }
  }

 private:
  // Call `visit` with each address of an event: the one that asked, and then those of answers.
  template <class Visit>
  void visit(const Event& event, Visit visit) const {
    visit_slot(event, plan_.matched_addresses[0], DetectedField::source, NetworkTable::source, visit);
    visit_slot(event, plan_.matched_addresses[1], DetectedField::answer, NetworkTable::answer, visit);
  }

  template <class Visit>
  void visit_slot(const Event& event, uint16_t slot, DetectedField field, uint8_t role, Visit& visit) const {
    if (slot == Plan::no_slot) return;
    const Value& value = event.values[slot];
    if (value.type == ValueType::text) visit(field, role, value.text);
    // An address in an object is its only member.
    if (value.type != ValueType::list && value.type != ValueType::objects) return;
    for (size_t i = 0; i < value.count; ++i) {
      const Value& item = event.items[static_cast<size_t>(value.integer) + i];
      if (item.type == ValueType::text) visit(field, role, item.text);
    }
  }

  const Plan& plan_;
  const MatcherSet& matchers_;
};

}  // namespace cfdns
