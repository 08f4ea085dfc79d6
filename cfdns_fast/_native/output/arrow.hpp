// ArrowMemory: exports columns as an Arrow array by the Arrow C data interface
// (https://arrow.apache.org/docs/format/CDataInterface.html). Python knows the types.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "output/columns.hpp"

// Copied from the specification, with its guard.
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

// The memory of a batch: its columns, and values that are the same in every row.
class ArrowMemory : public std::enable_shared_from_this<ArrowMemory> {
 public:
  explicit ArrowMemory(std::shared_ptr<ArrowPlan> plan) : columns(plan->columns), plan_(std::move(plan)) {}

  Columns columns;

  // Export an array of structs, which keeps this object alive until all of it is released. If this throws, the caller
  // must release the array.
  void hand_over(ArrowArray& array) {
    size_t rows = columns.rows;
    ArrayOwner& batch = open(array, rows, 0, {nullptr}, plan_->fields.size());
    for (size_t i = 0; i < plan_->fields.size(); ++i) {
      const FieldPlan& field = plan_->fields[i];
      if (field.column == FieldPlan::none) {
        export_constants(field, batch.children[i]);
      } else {
        const Column& column = columns.columns[field.column];
        const ColumnPlan& plan = plan_->columns[field.column];
        if (field.as_list) export_in_lists(field, column, plan, batch.children[i]);
        else export_column(column, plan, field.dictionary, batch.children[i]);
      }
    }
  }

 private:
  // What an array owns besides this memory. Children and dictionary may be moved away, and then release themselves.
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

  // The buffers of a column without lists.
  struct Flat {
    ColumnType type;
    size_t length;
    size_t null_count;
    const void* validity;
    const void* offsets;
    const void* values;
  };

  // The values of a column without its nulls. The Arrow format allows a null list to have items, but Parquet writers
  // refuse it (pyarrow 16).
  struct Present {
    size_t column;
    Buffer list_offsets;
    Buffer offsets;  // of text, whose bytes are in the column
    Buffer values;   // of other types
  };
  struct Repeated {
    ColumnType type;
    std::vector<int64_t> items;
    Buffer buffer;
  };
  struct Offsets {
    size_t step;
    Buffer buffer;
  };

  ArrayOwner& open(ArrowArray& array, size_t length, size_t null_count, std::initializer_list<const void*> buffers,
                   size_t children) {
    auto owner = std::make_unique<ArrayOwner>();
    owner->memory = shared_from_this();
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

  void export_column(const Column& column, const ColumnPlan& plan, size_t dictionary, ArrowArray& array) {
    if (plan.type != ColumnType::list) {
      const void* valid = validity(column);
      Flat flat{plan.type, column.rows, column.null_count, valid, column.offsets.data(), column.values.data()};
      return export_column(flat, dictionary, array);
    }
    ArrowArray* items =
        &open(array, column.rows, column.null_count, {validity(column), column.offsets.data()}, 1).children[0];
    if (!plan.holds_objects) return export_column(column.items[0], plan.items[0], FieldPlan::none, *items);
    ArrayOwner& objects = open(*items, column.items[0].rows, 0, {nullptr}, plan.items.size());
    for (size_t i = 0; i < plan.items.size(); ++i) {
      export_column(column.items[i], plan.items[i], FieldPlan::none, objects.children[i]);
    }
  }

  void export_column(const Flat& flat, size_t dictionary, ArrowArray& array) {
    if (flat.type <= ColumnType::text) {
      open(array, flat.length, flat.null_count, {flat.validity, flat.offsets, flat.values}, 0);
      return;
    }
    ArrayOwner& owner = open(array, flat.length, flat.null_count, {flat.validity, flat.values}, 0);
    if (dictionary != FieldPlan::none) export_dictionary(dictionary, array, owner);
  }

  // Export each value as a list of one item. A null becomes a null list.
  void export_in_lists(const FieldPlan& field, const Column& column, const ColumnPlan& plan, ArrowArray& array) {
    if (column.null_count == 0) {
      const void* offsets = every(1);
      ArrayOwner& lists = open(array, column.rows, 0, {nullptr, offsets}, 1);
      return export_column(column, plan, field.dictionary, lists.children[0]);
    }
    const Present& present = present_in(field.column);
    ArrayOwner& lists = open(array, column.rows, column.null_count, {validity(column), present.list_offsets.data()}, 1);
    const void* values = plan.type <= ColumnType::text ? column.values.data() : present.values.data();
    Flat flat{plan.type, column.rows - column.null_count, 0, nullptr, present.offsets.data(), values};
    export_column(flat, field.dictionary, lists.children[0]);
  }

  void export_dictionary(size_t index, ArrowArray& array, ArrayOwner& owner) {
    const Dictionary& dictionary = plan_->dictionaries[index];
    size_t count = dictionary.offsets.size() - 1;
    open(owner.dictionary, count, 0, {nullptr, dictionary.offsets.data(), dictionary.text.data()}, 0);
    array.dictionary = &owner.dictionary;
  }

  void export_constants(const FieldPlan& field, ArrowArray& array) {
    ArrowArray* items = &array;
    if (field.as_list) {
      const void* offsets = every(field.constants.size());
      items = &open(array, columns.rows, 0, {nullptr, offsets}, 1).children[0];
    }
    ArrayOwner& owner = open(*items, columns.rows * field.constants.size(), 0, {nullptr, repeated(field)}, 0);
    if (field.dictionary != FieldPlan::none) export_dictionary(field.dictionary, *items, owner);
  }

  // The constants of a field, repeated for each row. Fields with the same constants share them.
  const void* repeated(const FieldPlan& field) {
    for (const Repeated& made : repeated_) {
      if (made.type == field.type && made.items == field.constants) return made.buffer.data();
    }
    size_t count = columns.rows * field.constants.size();
    Buffer buffer;
    if (field.type == ColumnType::index) {
      int16_t* to = zeros<int16_t>(buffer, count);
      for (size_t i = 0; i < count; i += field.constants.size()) {
        for (int64_t constant : field.constants) *to++ = static_cast<int16_t>(constant);
      }
    } else if (field.type == ColumnType::integer) {
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
    repeated_.push_back({field.type, field.constants, std::move(buffer)});
    return repeated_.back().buffer.data();
  }

  // The offsets of lists that all have `step` items.
  const void* every(size_t step) {
    for (const Offsets& made : offsets_) {
      if (made.step == step) return made.buffer.data();
    }
    if (step != 0 && columns.rows > plan_->max_offset / step) {
      throw ColumnTooLarge("constants would be more than 32-bit offsets can count: convert smaller blocks");
    }
    Buffer buffer;
    int32_t* to = zeros<int32_t>(buffer, columns.rows + 1);
    for (size_t i = 0; i <= columns.rows; ++i) to[i] = static_cast<int32_t>(i * step);
    offsets_.push_back({step, std::move(buffer)});
    return offsets_.back().buffer.data();
  }

  const Present& present_in(size_t index) {
    for (const Present& made : present_) {
      if (made.column == index) return made;
    }
    const Column& column = columns.columns[index];
    const ColumnPlan& plan = plan_->columns[index];
    const size_t value_bytes = plan.value_bytes();
    const size_t count = column.rows - column.null_count;
    Present made;
    made.column = index;
    int32_t* ends = zeros<int32_t>(made.list_offsets, column.rows + 1);
    int32_t* text_ends = plan.has_offsets() ? zeros<int32_t>(made.offsets, count + 1) : nullptr;
    char* values = zeros<char>(made.values, plan.type == ColumnType::boolean ? (count + 7) / 8 : count * value_bytes);
    size_t next = 0;
    for (size_t row = 0; row < column.rows; ++row) {
      if (column.validity.data()[row / 8] >> (row % 8) & 1) {
        if (text_ends != nullptr) {
          text_ends[next + 1] = reinterpret_cast<const int32_t*>(column.offsets.data())[row + 1];
        } else if (value_bytes != 0) {
          std::memcpy(values + next * value_bytes, column.values.data() + row * value_bytes, value_bytes);
        } else {
          int bit = column.values.data()[row / 8] >> (row % 8) & 1;
          values[next / 8] = static_cast<char>(values[next / 8] | bit << (next % 8));
        }
        ++next;
      }
      ends[row + 1] = static_cast<int32_t>(next);
    }
    present_.push_back(std::move(made));
    return present_.back();
  }

  template <class Item>
  static Item* zeros(Buffer& buffer, size_t count) {
    buffer.resize(count * sizeof(Item));
    std::memset(buffer.data(), 0, count * sizeof(Item));
    return reinterpret_cast<Item*>(buffer.data());
  }

  std::shared_ptr<ArrowPlan> plan_;
  std::vector<Present> present_;
  std::vector<Repeated> repeated_;
  std::vector<Offsets> offsets_;
};

}  // namespace cfdns
