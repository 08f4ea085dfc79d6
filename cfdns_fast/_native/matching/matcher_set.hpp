// MatcherSet: the matchers that one call uses. It never changes.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "matching/name_table.hpp"
#include "matching/network_table.hpp"
#include "matching/predicates.hpp"

namespace cfdns {

class MatcherSet {
 public:
  struct Names {
    uint32_t number;
    std::shared_ptr<const NameTable> table;
  };

  struct Networks {
    uint32_t number;
    std::shared_ptr<const NetworkTable> table;
  };

  struct Conditions {
    uint32_t number;
    std::shared_ptr<const Predicates> predicates;
  };

  // A matcher by its kind, and its index among those of its kind.
  struct Step {
    enum class Kind : uint8_t { sliver, names, conditions } kind;
    uint32_t index;
  };

  // All matchers, in the order of their numbers.
  const std::vector<Step>& steps() const { return steps_; }

  bool has_sliver() const { return has_sliver_; }
  uint32_t sliver_number() const { return sliver_number_; }
  const std::vector<Names>& names() const { return names_; }
  const std::vector<Conditions>& conditions() const { return conditions_; }
  const std::vector<Networks>& networks() const { return networks_; }

  // Add each matcher with its number, in ascending order. There is one for Sliver, because all would find the same.
  void add_sliver(uint32_t number) {
    steps_.push_back({Step::Kind::sliver, 0});
    sliver_number_ = number;
    has_sliver_ = true;
  }
  void add_names(uint32_t number, std::shared_ptr<const NameTable> table) {
    steps_.push_back({Step::Kind::names, static_cast<uint32_t>(names_.size())});
    names_.push_back({number, std::move(table)});
  }
  // A table of names and one of networks may have the same number.
  void add_networks(uint32_t number, std::shared_ptr<const NetworkTable> table) {
    networks_.push_back({number, std::move(table)});
  }
  void add_predicates(uint32_t number, std::shared_ptr<const Predicates> predicates) {
    steps_.push_back({Step::Kind::conditions, static_cast<uint32_t>(conditions_.size())});
    conditions_.push_back({number, std::move(predicates)});
  }

 private:
  bool has_sliver_ = false;
  uint32_t sliver_number_ = 0;
  std::vector<Names> names_;
  std::vector<Conditions> conditions_;
  std::vector<Networks> networks_;
  std::vector<Step> steps_;
};

}  // namespace cfdns
