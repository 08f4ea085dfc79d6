// ArrowPlan: a mapping compiled by Python for Arrow batches, in addition to the Plan of every event.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "plan/checks.hpp"
#include "support/output_room.hpp"

namespace cfdns {

// 32-bit offsets cannot count the content of a column. It becomes ValueError.
struct ColumnTooLarge : std::length_error {
  using std::length_error::length_error;
};

// How a column stores the values of its slot.
enum class ColumnType : uint8_t { raw = 0, text = 1, integer = 2, time = 3, boolean = 4, index = 5, list = 6 };

// A column. Immutable, except for what it learns about its size.
struct ColumnPlan {
  ColumnType type;
  uint16_t slot = 0;
  std::vector<int64_t> by_name;   // names: the value that is stored for each
  std::vector<ColumnPlan> items;  // lists: one column; lists of objects: a column for each member
  bool holds_objects = false;     // lists of objects
  std::string target;             // the first target that shows the column, for errors
  size_t max_offset = 0;
  std::shared_ptr<OutputRoom> row_room;
  std::shared_ptr<OutputRoom> text_room;

  size_t value_bytes() const {
    return type == ColumnType::index ? 2 : type == ColumnType::integer || type == ColumnType::time ? 8 : 0;
  }
  bool has_offsets() const { return type <= ColumnType::text || type == ColumnType::list; }

  [[noreturn]] void fail() const {
    throw ColumnTooLarge("column " + target +
                         " would hold more than 32-bit offsets can count (2 GiB of text): convert smaller blocks");
  }
};

// The texts that indices refer to.
struct Dictionary {
  std::vector<int32_t> offsets = std::vector<int32_t>(1, 0);
  std::string text;
};

// A field of a batch: a column or, without one, constants.
struct FieldPlan {
  static constexpr size_t none = SIZE_MAX;
  size_t column = none;
  size_t dictionary = none;             // if the column stores indices
  bool as_list = false;                 // each value is a list of one item; constants are one list
  ColumnType type = ColumnType::index;  // constants only: index, integer or boolean
  std::vector<int64_t> constants;
};

// The fields of a batch. Immutable, except for what it learns about their size.
class ArrowPlan {
 public:
  ArrowPlan(size_t max_offset, bool formats_times) : max_offset(max_offset), formats_times(formats_times) {}

  const size_t max_offset;  // 2^31 - 1; less in tests
  const bool formats_times;
  std::vector<ColumnPlan> columns;
  std::vector<FieldPlan> fields;
  std::vector<Dictionary> dictionaries;

  void add_column(int type, size_t slot, std::string_view target) { columns.push_back(new_column(type, slot, target)); }
  // Add to the last column.
  void add_held(int64_t held) { columns.back().by_name.push_back(held); }
  void add_items(int type, bool objects) {
    ColumnPlan& list = columns.back();
    list.items.push_back(new_column(type, list.slot, list.target));
    list.holds_objects = objects;
  }

  void add_dictionary() { dictionaries.emplace_back(); }
  // Add to the last dictionary.
  void add_text(std::string_view text) {
    dictionaries.back().text.append(text);
    dictionaries.back().offsets.push_back(static_cast<int32_t>(dictionaries.back().text.size()));
  }

  void add_field(size_t column, size_t dictionary, bool as_list, int type) {
    fields.push_back({column, dictionary, as_list, checked_enum(type, ColumnType::list), {}});
  }
  // Add to the last field.
  void add_constant(int64_t constant) { fields.back().constants.push_back(constant); }

 private:
  ColumnPlan new_column(int type, size_t slot, std::string_view target) const {
    ColumnPlan plan;
    plan.type = checked_enum(type, ColumnType::list);
    plan.slot = narrow_index(slot);
    plan.target.assign(target);
    plan.max_offset = max_offset;
    // First guesses: raw text is as long as the record, and few other texts are longer than a sixteenth of it.
    constexpr size_t unit = OutputRoom::unit_bytes;
    plan.row_room = std::make_shared<OutputRoom>(64, unit / 128, unit / 32);
    plan.text_room = std::make_shared<OutputRoom>(1024, plan.type == ColumnType::raw ? unit : unit / 16, 2 * unit);
    return plan;
  }
};

}  // namespace cfdns
