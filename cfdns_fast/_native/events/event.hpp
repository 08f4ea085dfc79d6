// Event: the values of one record as the plan wants them. Every rule is applied here, once, before any writer.
#pragma once

#include <vector>

#include "events/decoder.hpp"
#include "events/derived.hpp"
#include "events/kinds.hpp"
#include "events/problems.hpp"

namespace cfdns {

class Event : public KindReader {
 public:
  explicit Event(const Plan& plan)
      : KindReader(plan), problems(problem_index(plan.sources.size(), 0), 0), record_problems_(plan) {}

  std::vector<uint64_t> problems;  // counts by unknown_problem and problem_index(), over all records so far

  // Start a batch: all counts are zero, and nothing is left of a record before it.
  void start() {
    std::fill(problems.begin(), problems.end(), uint64_t{0});
    record_problems_.forget();
  }

  void resolve(const Record& record) {
    begin(record.raw.size_bytes);
    const Token* tokens = record.tokens.data();
    uint8_t any = no_problem;
    for (const Input& input : plan_.inputs) {
      uint8_t found;
      if (input.is_single) {
        found = read(input.reading, tokens[input.source], input.required);
        record_problems_.note(input.source, found);
      } else {
        found = read_several(input, tokens);
      }
      any |= found;
    }
    // An unknown record has no required key either, so with required keys only a record with a problem can be unknown.
    if (any != no_problem || !plan_.has_required) any = count_problems(any, tokens);
    if (plan_.has_derived_slots) derive(any != no_problem);
  }

  // Free memory that only records of more than max_bytes need. The current values are lost.
  void trim(size_t max_bytes) {
    SlotValues::trim(max_bytes);
    derived_.forget();
  }

 private:
  CFDNS_NOINLINE uint8_t count_problems(uint8_t found, const Token* tokens) {
    if (is_unknown(tokens)) found |= record_unknown;
    if (found != no_problem) record_problems_.count(problems, found & record_unknown);
    return found;
  }

  // Whether the record has none of the mapped keys.
  bool is_unknown(const Token* tokens) const {
    for (size_t i = 0; i < plan_.key_count; ++i) {
      if (tokens[i].type != TokenType::absent) return false;
    }
    return plan_.key_count != 0;
  }

  // Read the first source that has a value, or read it more than once.
  CFDNS_NOINLINE uint8_t read_several(const Input& input, const Token* tokens) {
    size_t source = input.source;
    for (size_t i = input.first_other; is_absent(tokens[source]) && i < input.last_other; ++i) source = plan_.others[i];
    if (is_absent(tokens[source])) source = input.source;
    // Unescape once, whatever the number of readings.
    Token token = tokens[source];
    bool plain = !token.escaped;
    if (token.escaped) token.text = unescaped(token);
    uint8_t found = no_problem;
    for (size_t i = input.first_reading; i < input.last_reading; ++i) {
      const Reading& reading = plan_.readings[i];
      found |= token.type == TokenType::string ? read_string(reading, token.text, plain, input.required)
                                               : read(reading, token, input.required);
    }
    record_problems_.note(source, found);
    return found;
  }

  CFDNS_NOINLINE void derive(bool any_problem) {
    for (const DerivedSlot& slot : plan_.coalesced) DerivedValues::coalesce(slot, values);
    for (const DerivedSlot& slot : plan_.collected) derived_.collect(slot, values, items);
    for (const Observables& slot : plan_.observables) DerivedValues::observe(slot, values, items);
    for (const ConstantByProblem& constant : plan_.constants_by_problem) {
      set_name(constant.slot, constant.table, any_problem ? 2 : 1);
    }
    if (plan_.problems_slot == Plan::no_slot) return;
    values[plan_.problems_slot].clear();
    if (any_problem) set_text(plan_.problems_slot, record_problems_.text(), false);
  }

  RecordProblems record_problems_;
  DerivedValues derived_;
};

}  // namespace cfdns
