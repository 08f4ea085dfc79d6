// Values made of other values: the first of several that is there, or all of them once.
#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

#include "plan/plan.hpp"
#include "values/value.hpp"

namespace cfdns {

class Gatherer {
 public:
  static void take_first(const Gathering& first, std::vector<Value>& values) {
    values[first.slot].clear();
    for (uint16_t slot : first.from) {
      if (values[slot].type == ValueType::absent) continue;
      values[first.slot] = values[slot];
      return;
    }
  }

  // Every value once, in the order of its first appearance, behind the items that are there.
  void collect(const Gathering& collection, std::vector<Value>& values, std::vector<Value>& items) {
    size_t first = items.size();
    forget();
    for (uint16_t slot : collection.from) {
      const Value value = values[slot];
      if (value.type == ValueType::absent) continue;
      if (value.type != ValueType::list) {
        add(value, items);
        continue;
      }
      for (size_t i = 0; i < value.count; ++i) add(Value(items[static_cast<size_t>(value.integer) + i]), items);
    }
    values[collection.slot].set_list(ValueType::list, first, items.size() - first, false);
  }

  // Clearing takes as long as the set is wide, which a small record must not pay for a large one before it.
  void forget() {
    constexpr size_t most_buckets = 1024;
    if (seen_.bucket_count() > most_buckets) seen_ = std::unordered_set<std::string_view>();
    else seen_.clear();
  }

 private:
  void add(const Value& value, std::vector<Value>& items) {
    if (seen_.insert({value.text.data, value.text.size_bytes}).second) items.push_back(value);
  }

  std::unordered_set<std::string_view> seen_;
};

}  // namespace cfdns
