// ArrowPlan: what Python decided about Arrow batches, beside the plan of every event.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/output_room.hpp"

namespace cfdns {

// Offsets cannot count what a column would hold; becomes ValueError.
struct ColumnTooLarge : std::length_error {
  using std::length_error::length_error;
};

// How a column holds the values of its slot.
enum class Form : uint8_t { raw, text, integer, time, boolean, index, list };

// What Python decided about a column. Immutable, but for what it learns about its size.
struct ColumnPlan {
  Form form;
  uint16_t slot = 0;
  std::vector<int64_t> by_name;   // of values that are names: what is held in their place
  std::vector<ColumnPlan> items;  // of lists: one; of lists of objects: one for each member
  bool holds_objects = false;     // of lists
  std::string target;             // the first of those that show it
  size_t most_offset = 0;
  std::shared_ptr<OutputRoom> row_room;
  std::shared_ptr<OutputRoom> text_room;

  size_t value_bytes() const { return form == Form::index ? 2 : form == Form::integer || form == Form::time ? 8 : 0; }
  bool has_offsets() const { return form <= Form::text || form == Form::list; }

  [[noreturn]] void fail() const {
    throw ColumnTooLarge("column " + target +
                         " would hold more than 32-bit offsets can count (2 GiB of text): convert smaller blocks");
  }
};

// Texts that indices stand for.
struct Dictionary {
  std::vector<int32_t> offsets = std::vector<int32_t>(1, 0);
  std::string text;
};

// What a batch shows under one name: a column or, without one, constants.
struct FieldPlan {
  static constexpr size_t none = SIZE_MAX;
  size_t column = none;
  size_t dictionary = none;  // of what is held as an index
  bool as_list = false;      // the column's value as a list of one; of constants, all of them as a list
  Form form = Form::index;   // of constants: index, integer or boolean
  std::vector<int64_t> constants;
};

// What Python decided about batches. Immutable, but for what it learns about their size.
class ArrowPlan {
 public:
  ArrowPlan(size_t most_offset, bool formats_times) : most_offset(most_offset), formats_times(formats_times) {}

  const size_t most_offset;  // 2^31 - 1; less in tests
  const bool formats_times;
  std::vector<ColumnPlan> columns;
  std::vector<FieldPlan> fields;
  std::vector<Dictionary> dictionaries;

  void add_column(int form, size_t slot, std::string_view target) { columns.push_back(new_column(form, slot, target)); }
  // To the column added last.
  void add_held(int64_t held) { columns.back().by_name.push_back(held); }
  void add_items(int form, bool objects) {
    ColumnPlan& list = columns.back();
    list.items.push_back(new_column(form, list.slot, list.target));
    list.holds_objects = objects;
  }

  void add_dictionary() { dictionaries.emplace_back(); }
  // To the dictionary added last.
  void add_text(std::string_view text) {
    dictionaries.back().text.append(text);
    dictionaries.back().offsets.push_back(static_cast<int32_t>(dictionaries.back().text.size()));
  }

  void add_field(size_t column, size_t dictionary, bool as_list, int form) {
    fields.push_back({column, dictionary, as_list, static_cast<Form>(form), {}});
  }
  // To the field added last.
  void add_constant(int64_t constant) { fields.back().constants.push_back(constant); }

 private:
  ColumnPlan new_column(int form, size_t slot, std::string_view target) const {
    ColumnPlan plan;
    plan.form = static_cast<Form>(form);
    plan.slot = static_cast<uint16_t>(slot);
    plan.target.assign(target);
    plan.most_offset = most_offset;
    // First guesses: the message is the record, and few other texts are longer than a sixteenth of it.
    constexpr size_t unit = OutputRoom::unit_bytes;
    plan.row_room = std::make_shared<OutputRoom>(64, unit / 128, unit / 32);
    plan.text_room = std::make_shared<OutputRoom>(1024, plan.form == Form::raw ? unit : unit / 16, 2 * unit);
    return plan;
  }
};

}  // namespace cfdns
