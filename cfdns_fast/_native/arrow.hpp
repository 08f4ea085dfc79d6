// Columns as one Arrow array, handed over by the Arrow C data interface
// (https://arrow.apache.org/docs/format/CDataInterface.html). The types are not said here: Python knows them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "columns.hpp"

// As the specification has it, guard included.
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#endif

namespace cfdns {

// Texts that indices stand for.
struct Dictionary {
  std::vector<int32_t> offsets = std::vector<int32_t>(1, 0);
  std::string text;
};

// What a batch shows under one name: a column or, without one, constants.
struct FieldPlan {
  static constexpr size_t none = SIZE_MAX;
  size_t column = none;
  size_t dictionary = none;      // of what is held as an index
  bool as_list = false;          // the column's value as a list of one; of constants, all of them as a list
  Form form = Form::index;       // of constants: index, integer or boolean
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
    plan.row_room = std::make_shared<OutputRoom>(64, unit / 128);
    plan.text_room = std::make_shared<OutputRoom>(1024, plan.form == Form::raw ? unit : unit / 16);
    return plan;
  }
};

// The memory of a batch: its columns, and what is the same in every row.
class ArrowMemory {
 public:
  explicit ArrowMemory(std::shared_ptr<ArrowPlan> plan) : columns(plan->columns), plan_(std::move(plan)) {}

  Columns columns;

  // Hand all over as an array of structs. `memory` is this, and stays as long as anything of the array does. If an
  // exception leaves this, what is there of the array can be released.
  void hand_over(const std::shared_ptr<ArrowMemory>& memory, ArrowArray& array) {
    size_t rows = columns.rows;
    ArrayOwner& batch = open(memory, array, rows, 0, {nullptr}, plan_->fields.size());
    for (size_t i = 0; i < plan_->fields.size(); ++i) {
      const FieldPlan& field = plan_->fields[i];
      if (field.column == FieldPlan::none) {
        put_constants(memory, field, batch.children[i]);
      } else {
        const Column& column = columns.columns[field.column];
        ArrowArray* values = &batch.children[i];
        if (field.as_list) {
          // A list of one value everywhere; where that is null, the list is null itself.
          const void* offsets = every(1);
          values = &open(memory, *values, rows, column.null_count, {validity(column), offsets}, 1).children[0];
        }
        put(memory, column, plan_->columns[field.column], field.dictionary, *values);
      }
    }
  }

 private:
  // What an array owns besides the memory; children and dictionary may be moved away, and then release themselves.
  struct ArrayOwner {
    std::shared_ptr<const ArrowMemory> memory;
    const void* buffers[3] = {};
    std::vector<ArrowArray> children;
    std::vector<ArrowArray*> child_pointers;
    ArrowArray dictionary{};

    static void release(ArrowArray* array) {
      ArrayOwner* owner = static_cast<ArrayOwner*>(array->private_data);
      for (ArrowArray& child : owner->children) {
        if (child.release != nullptr) child.release(&child);
      }
      if (owner->dictionary.release != nullptr) owner->dictionary.release(&owner->dictionary);
      array->release = nullptr;
      delete owner;
    }
  };

  struct Repeated {
    Form form;
    std::vector<int64_t> items;
    Buffer buffer;
  };
  struct Offsets {
    size_t step;
    Buffer buffer;
  };

  static ArrayOwner& open(const std::shared_ptr<ArrowMemory>& memory, ArrowArray& array, size_t length,
                          size_t null_count, std::initializer_list<const void*> buffers, size_t children) {
    auto owner = std::make_unique<ArrayOwner>();
    owner->memory = memory;
    std::copy(buffers.begin(), buffers.end(), owner->buffers);
    owner->children.resize(children, ArrowArray{});
    for (ArrowArray& child : owner->children) owner->child_pointers.push_back(&child);
    array = ArrowArray{};
    array.length = static_cast<int64_t>(length);
    array.null_count = static_cast<int64_t>(null_count);
    array.n_buffers = static_cast<int64_t>(buffers.size());
    array.n_children = static_cast<int64_t>(children);
    array.buffers = owner->buffers;
    array.children = owner->child_pointers.data();
    array.release = &ArrayOwner::release;
    array.private_data = owner.get();
    return *owner.release();
  }

  static const void* validity(const Column& column) {
    return column.null_count == 0 ? nullptr : column.validity.data();
  }

  void put(const std::shared_ptr<ArrowMemory>& memory, const Column& column, const ColumnPlan& plan, size_t dictionary,
           ArrowArray& array) {
    const void* valid = validity(column);
    const void* offsets = column.offsets.data();
    const void* values = column.values.data();
    if (plan.form <= Form::text) {
      open(memory, array, column.rows, column.null_count, {valid, offsets, values}, 0);
    } else if (plan.form == Form::list) {
      ArrowArray* items = &open(memory, array, column.rows, column.null_count, {valid, offsets}, 1).children[0];
      if (!plan.holds_objects) return put(memory, column.items[0], plan.items[0], FieldPlan::none, *items);
      ArrayOwner& objects = open(memory, *items, column.items[0].rows, 0, {nullptr}, plan.items.size());
      for (size_t i = 0; i < plan.items.size(); ++i) {
        put(memory, column.items[i], plan.items[i], FieldPlan::none, objects.children[i]);
      }
    } else {
      ArrayOwner& owner = open(memory, array, column.rows, column.null_count, {valid, values}, 0);
      if (dictionary != FieldPlan::none) put_dictionary(memory, dictionary, array, owner);
    }
  }

  void put_dictionary(const std::shared_ptr<ArrowMemory>& memory, size_t index, ArrowArray& array, ArrayOwner& owner) {
    const Dictionary& dictionary = plan_->dictionaries[index];
    size_t count = dictionary.offsets.size() - 1;
    open(memory, owner.dictionary, count, 0, {nullptr, dictionary.offsets.data(), dictionary.text.data()}, 0);
    array.dictionary = &owner.dictionary;
  }

  void put_constants(const std::shared_ptr<ArrowMemory>& memory, const FieldPlan& field, ArrowArray& array) {
    size_t count = columns.rows * field.constants.size();
    const void* values = repeated(field);
    ArrowArray* items = &array;
    if (field.as_list) {
      const void* offsets = every(field.constants.size());
      items = &open(memory, array, columns.rows, 0, {nullptr, offsets}, 1).children[0];
    }
    ArrayOwner& owner = open(memory, *items, count, 0, {nullptr, values}, 0);
    if (field.dictionary != FieldPlan::none) put_dictionary(memory, field.dictionary, *items, owner);
  }

  // The constants of a field, for each row. Fields that have the same share them.
  const void* repeated(const FieldPlan& field) {
    for (const Repeated& made : repeated_) {
      if (made.form == field.form && made.items == field.constants) return made.buffer.data();
    }
    size_t count = columns.rows * field.constants.size();
    Buffer buffer;
    if (field.form == Form::index) {
      int16_t* to = zeros<int16_t>(buffer, count);
      for (size_t i = 0; i < count; i += field.constants.size()) {
        for (int64_t constant : field.constants) *to++ = static_cast<int16_t>(constant);
      }
    } else if (field.form == Form::integer) {
      int64_t* to = zeros<int64_t>(buffer, count);
      for (size_t i = 0; i < count; i += field.constants.size()) {
        for (int64_t constant : field.constants) *to++ = constant;
      }
    } else {
      uint8_t* to = zeros<uint8_t>(buffer, (count + 7) / 8);
      for (size_t i = 0; i < count; ++i) {
        to[i / 8] |= static_cast<uint8_t>(field.constants[i % field.constants.size()] << (i % 8));
      }
    }
    repeated_.push_back({field.form, field.constants, std::move(buffer)});
    return repeated_.back().buffer.data();
  }

  // Offsets of lists that all have so many items.
  const void* every(size_t step) {
    for (const Offsets& made : offsets_) {
      if (made.step == step) return made.buffer.data();
    }
    if (step != 0 && columns.rows > plan_->most_offset / step) {
      throw ColumnTooLarge("a column of constants would hold more than 32-bit offsets can count: convert smaller blocks");
    }
    Buffer buffer;
    int32_t* to = zeros<int32_t>(buffer, columns.rows + 1);
    for (size_t i = 0; i <= columns.rows; ++i) to[i] = static_cast<int32_t>(i * step);
    offsets_.push_back({step, std::move(buffer)});
    return offsets_.back().buffer.data();
  }

  template <class Item>
  static Item* zeros(Buffer& buffer, size_t count) {
    buffer.resize(count * sizeof(Item));
    std::memset(buffer.data(), 0, count * sizeof(Item));
    return reinterpret_cast<Item*>(buffer.data());
  }

  std::shared_ptr<ArrowPlan> plan_;
  std::vector<Repeated> repeated_;
  std::vector<Offsets> offsets_;
};

}  // namespace cfdns
