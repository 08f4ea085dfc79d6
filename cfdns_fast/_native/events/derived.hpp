// Slots that are made from other slots: the first value of several slots, or all their values once.
#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

#include "plan/plan.hpp"
#include "support/compiler.hpp"
#include "values/value.hpp"

namespace cfdns {

class DerivedValues {
 public:
  static void coalesce(const DerivedSlot& derived, std::vector<Value>& values) {
    values[derived.slot].clear();
    for (uint16_t slot : derived.from) {
      if (values[slot].type == ValueType::absent) continue;
      values[derived.slot] = values[slot];
      return;
    }
  }

  // Append every value once to the items, in the order of its first appearance.
  void collect(const DerivedSlot& derived, std::vector<Value>& values, std::vector<Value>& items) {
    size_t first = items.size();
    forget();
    for (uint16_t slot : derived.from) {
      const Value value = values[slot];
      if (value.type == ValueType::absent) continue;
      if (value.type != ValueType::list) {
        add(value, items);
        continue;
      }
      for (size_t i = 0; i < value.count; ++i) add(Value(items[static_cast<size_t>(value.integer) + i]), items);
    }
    values[derived.slot].set_list(ValueType::list, first, items.size() - first, false);
  }

  // Append an object for each text of the slots, in their order.
  CFDNS_NOINLINE static void observe(const Observables& derived, std::vector<Value>& values,
                                     std::vector<Value>& items) {
    size_t first = items.size();
    size_t count = 0;
    auto add = [&](const Observed& observed, Value text) {
      items.insert(items.end(), {observed.name, observed.type, observed.type_id, text});
      ++count;
    };
    for (const Observed& observed : derived.from) {
      const Value value = values[observed.slot];
      if (value.type == ValueType::absent) continue;
      const bool is_list = value.type == ValueType::list || value.type == ValueType::objects;
      if (!is_list) add(observed, value);
      // Objects of a list have one member here.
      for (size_t i = 0; is_list && i < value.count; ++i) {
        add(observed, items[static_cast<size_t>(value.integer) + i]);
      }
    }
    values[derived.slot].set_list(ValueType::objects, first, count, false);
    values[derived.slot].name = derived.members;
  }

  // Clearing a set takes as long as it has buckets, so a large record must not leave many to the small ones after it.
  void forget() {
    constexpr size_t max_buckets = 1024;
    if (seen_.bucket_count() > max_buckets) seen_ = std::unordered_set<std::string_view>();
    else seen_.clear();
  }

 private:
  void add(const Value& value, std::vector<Value>& items) {
    if (seen_.insert({value.text.data, value.text.size_bytes}).second) items.push_back(value);
  }

  std::unordered_set<std::string_view> seen_;
};

}  // namespace cfdns
