// The problems of one record, as counts and as text for schemas that have them in the event.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "support/compiler.hpp"
#include "values/value.hpp"

namespace cfdns {

class RecordProblems {
 public:
  explicit RecordProblems(const Plan& plan) : plan_(plan), found_(plan.sources.size(), no_problem) {}

  void note(size_t source, uint8_t found) { found_[source] |= found; }

  // Reset the notes, which remain after a record whose reading threw an exception.
  void forget() { std::fill(found_.begin(), found_.end(), uint8_t{no_problem}); }

  // Add the noted problems to the counts, write their text, and reset the notes. `unknown`: the record has no mapped
  // key.
  CFDNS_COLD void count(std::vector<uint64_t>& counts, bool unknown) {
    text_.clear();
    if (unknown) add(counts, unknown_problem);
    for (size_t source = 0; source < found_.size(); ++source) {
      for (size_t code = 0; code < field_problem_codes; ++code) {
        if (found_[source] >> code & 1) add(counts, problem_index(source, code));
      }
      found_[source] = no_problem;
    }
    text_.append(padding_bytes, '\0');
  }

  // The text of the problems that were counted last; padded.
  Slice text() const { return {text_.data(), text_.size() - padding_bytes}; }

 private:
  void add(std::vector<uint64_t>& counts, size_t index) {
    ++counts[index];
    if (plan_.problems_slot == Plan::no_slot) return;
    if (!text_.empty()) text_ += ", ";
    text_ += plan_.problem_texts[index];
  }

  const Plan& plan_;
  std::vector<uint8_t> found_;  // bits of Problem, by source
  std::string text_;
};

}  // namespace cfdns
