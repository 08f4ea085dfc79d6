// Columns: the values of many events in Arrow's memory layout. A value is stored once, even if several targets show it.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "events/event.hpp"
#include "plan/arrow_plan.hpp"
#include "support/buffer.hpp"
#include "support/compiler.hpp"
#include "support/huge_pages.hpp"
#include "support/prefetch.hpp"

namespace cfdns {

class Column {
 public:
  explicit Column(const ColumnPlan& plan) : plan_(&plan) {
    for (const ColumnPlan& item : plan.items) items.emplace_back(item);
  }

  Buffer values;    // text: the bytes; lists: empty
  Buffer offsets;   // text and lists: one more than rows
  Buffer validity;  // undefined before the first null
  std::vector<Column> items;
  size_t rows = 0;
  size_t null_count = 0;
  size_t text_bytes = 0;

  // Reserve memory for rows and for bytes of text.
  void reserve(size_t wanted_rows, size_t wanted_text_bytes) {
    if (wanted_rows > plan_->max_offset) plan_->fail();
    bool grows = wanted_rows > room_rows_ || room_rows_ == 0;
    if (grows) {
      size_t value_bytes = plan_->value_bytes();
      if (value_bytes != 0) resize(values, wanted_rows * value_bytes);
      if (plan_->type == ColumnType::boolean) reserve_bits(values, wanted_rows, 0);
      if (plan_->has_offsets()) {
        resize(offsets, (wanted_rows + 1) * sizeof(int32_t));
        int32s(offsets)[0] = 0;
      }
      if (null_count != 0) reserve_bits(validity, wanted_rows, 0xFF);
    }
    if (plan_->type <= ColumnType::text) {
      size_t max_bytes = std::min(wanted_text_bytes, plan_->max_offset);
      if (max_bytes > values.capacity_bytes() || values.data() == nullptr) resize(values, max_bytes);
    }
    // Set last: if there is no memory for text, the next call must try again.
    if (grows) room_rows_ = wanted_rows;
  }

  // Reserve memory for the estimated size of the output.
  void reserve_for(size_t input_bytes) {
    size_t wanted_rows = std::min(plan_->row_room->capacity(input_bytes), plan_->max_offset);
    reserve(wanted_rows, plan_->text_room->capacity(input_bytes));
    for (Column& item : items) item.reserve_for(input_bytes);
  }

  // Learn the size of the output for an input of this size.
  void learn(size_t input_bytes) const {
    plan_->row_room->learn(input_bytes, rows);
    plan_->text_room->learn(input_bytes, text_bytes);
    for (const Column& item : items) item.learn(input_bytes);
  }

  size_t room_rows() const { return room_rows_; }

  // Reserve memory for more rows.
  void grow_rows() {
    if (room_rows_ >= plan_->max_offset) plan_->fail();
    reserve(std::min(std::max(min_room_rows, 2 * room_rows_), plan_->max_offset), values.capacity_bytes());
  }

  // Append a value as row `row`, for which memory is reserved.
  void append(size_t row, const Plan& plan, const Event& event, Slice message) {
    if (plan_->type == ColumnType::raw) return append_text(row, message);
    append(row, plan, event, event.values[plan_->slot]);
  }

  // Remove all rows, and keep the memory.
  void clear() {
    if (plan_->type == ColumnType::boolean && values.data() != nullptr) std::memset(values.data(), 0, bits_bytes(rows));
    rows = null_count = text_bytes = 0;
    for (Column& item : items) item.clear();
  }

  // Merge parts that several threads made: place() assigns positions in order, then copy_part() copies a part at any
  // time. place() copies bits itself, because two parts may share a byte.
  void place(Column& part) {
    part.first_row_ = rows;
    part.first_byte_ = text_bytes;
    if (part.rows > plan_->max_offset - rows || part.text_bytes > plan_->max_offset - text_bytes) plan_->fail();
    if (part.null_count != 0) {
      if (null_count == 0) begin_validity(rows + part.rows);
      null_count += part.null_count;
    }
    if (null_count != 0) reserve_bits(validity, rows + part.rows, 0xFF);
    if (part.null_count != 0) copy_bits(validity.data(), rows, part.validity.data(), part.rows, 0xFF);
    if (plan_->type == ColumnType::boolean) {
      reserve_bits(values, rows + part.rows, 0);
      copy_bits(values.data(), rows, part.values.data(), part.rows, 0);
    }
    rows += part.rows;
    text_bytes += part.text_bytes;
    for (size_t i = 0; i < items.size(); ++i) items[i].place(part.items[i]);
  }

  // Whether memory is reserved for the position of a part.
  bool has_room_for(const Column& part) const {
    bool fits = part.first_row_ + part.rows <= room_rows_;
    if (plan_->type <= ColumnType::text) fits = fits && part.first_byte_ + part.text_bytes <= values.capacity_bytes();
    for (size_t i = 0; i < items.size(); ++i) fits = fits && items[i].has_room_for(part.items[i]);
    return fits;
  }

  void copy_part(const Column& part) {
    if (part.rows == 0) return;
    if (plan_->has_offsets()) {
      size_t before = plan_->type == ColumnType::list ? part.items[0].first_row_ : part.first_byte_;
      int32_t* to = int32s(offsets) + part.first_row_;
      const int32_t* from = int32s(part.offsets);
      for (size_t i = 1; i <= part.rows; ++i) to[i] = from[i] + static_cast<int32_t>(before);
    }
    if (plan_->type <= ColumnType::text) {
      std::memcpy(values.data() + part.first_byte_, part.values.data(), part.text_bytes);
    } else if (size_t value_bytes = plan_->value_bytes()) {
      std::memcpy(values.data() + part.first_row_ * value_bytes, part.values.data(), part.rows * value_bytes);
    }
    for (size_t i = 0; i < items.size(); ++i) items[i].copy_part(part.items[i]);
  }

  // Reserve memory for all parts that have a position.
  void reserve_placed() {
    reserve(rows, text_bytes);
    for (Column& item : items) item.reserve_placed();
  }

  // Free memory if much of it is unused. Even a column without rows has a first offset.
  void finish() {
    reserve(std::max<size_t>(rows, 1), text_bytes);
    if (plan_->type <= ColumnType::text) shrink(values, text_bytes);
    if (size_t value_bytes = plan_->value_bytes()) shrink(values, rows * value_bytes);
    if (plan_->type == ColumnType::boolean) shrink(values, bits_bytes(rows));
    if (plan_->has_offsets()) shrink(offsets, (rows + 1) * sizeof(int32_t));
    if (null_count != 0) shrink(validity, bits_bytes(rows));
    for (Column& item : items) item.finish();
  }

 private:
  static constexpr size_t min_room_rows = 64;
  static constexpr size_t min_room_bytes = 1024;

  static int32_t* int32s(Buffer& buffer) { return reinterpret_cast<int32_t*>(buffer.data()); }
  static const int32_t* int32s(const Buffer& buffer) { return reinterpret_cast<const int32_t*>(buffer.data()); }
  static size_t bits_bytes(size_t count) { return (count + 7) / 8; }

  static void resize(Buffer& buffer, size_t size_bytes) {
    buffer.resize(size_bytes);
    advise_huge_pages(buffer.data(), size_bytes);
  }

  // Fill the new memory with a byte.
  static void reserve_bits(Buffer& buffer, size_t count, int fill) {
    size_t before = buffer.data() == nullptr ? 0 : buffer.capacity_bytes() + padding_bytes;
    size_t wanted = bits_bytes(count);
    if (before >= wanted + padding_bytes) return;
    if (before != 0) wanted = std::max(wanted, 2 * buffer.capacity_bytes());
    buffer.resize(wanted);
    std::memset(buffer.data() + before, fill, wanted + padding_bytes - before);
  }

  // The target has all bits as in `fill`.
  static void copy_bits(char* to, size_t first, const char* from, size_t count, unsigned fill) {
    to += first / 8;
    unsigned shift = first % 8;
    for (size_t i = 0; i < bits_bytes(count); ++i) {
      unsigned differing = static_cast<unsigned char>(from[i]) ^ fill;
      if (count - 8 * i < 8) differing &= (1u << (count - 8 * i)) - 1;
      to[i] = static_cast<char>(to[i] ^ (differing << shift));
      if (shift != 0) to[i + 1] = static_cast<char>(to[i + 1] ^ (differing >> (8 - shift)));
    }
  }

  static void shrink(Buffer& buffer, size_t used_bytes) {
    if (buffer.data() == nullptr || OutputRoom::is_full(buffer.capacity_bytes(), used_bytes)) return;
    try {
      buffer.resize(used_bytes);
    } catch (const std::bad_alloc&) {
      // The buffer keeps its size.
    }
  }

  CFDNS_COLD void begin_validity(size_t count) {
    size_t wanted = bits_bytes(std::max(count, room_rows_));
    if (validity.data() == nullptr || validity.capacity_bytes() < wanted) validity.resize(wanted);
    std::memset(validity.data(), 0xFF, validity.capacity_bytes() + padding_bytes);
  }

  CFDNS_COLD void grow_text(size_t wanted_bytes) {
    if (wanted_bytes > plan_->max_offset) plan_->fail();
    reserve(room_rows_, std::max({wanted_bytes, 2 * values.capacity_bytes(), min_room_bytes}));
  }

  void append(size_t row, const Plan& plan, const Event& event, const Value& value) {
    if (value.type == ValueType::absent) return append_null(row);
    switch (plan_->type) {
      case ColumnType::raw:
      case ColumnType::text: return append_text(row, value.type == ValueType::name ? text_of(plan, value) : value.text);
      case ColumnType::integer:
        return append_integer(row, value.type == ValueType::name ? number_of(plan, value) : value.integer);
      case ColumnType::time: return value.integer == no_ns ? append_null(row) : append_integer(row, value.integer);
      case ColumnType::index: {
        int16_t index = static_cast<int16_t>(plan_->by_name[value.name]);
        std::memcpy(values.data() + row * sizeof index, &index, sizeof index);
        return;
      }
      case ColumnType::boolean:
        values.data()[row / 8] = static_cast<char>(values.data()[row / 8] | held(value) << (row % 8));
        return;
      case ColumnType::list: return append_list(row, plan, event, value);
    }
  }

  void append_null(size_t row) {
    if (null_count++ == 0) begin_validity(0);
    validity.data()[row / 8] = static_cast<char>(validity.data()[row / 8] & ~(1u << (row % 8)));
    if (plan_->has_offsets()) int32s(offsets)[row + 1] = int32s(offsets)[row];
    if (size_t value_bytes = plan_->value_bytes()) std::memset(values.data() + row * value_bytes, 0, value_bytes);
  }

  void append_text(size_t row, Slice text) {
    size_t end = text_bytes + text.size_bytes;
    if (end > values.capacity_bytes()) grow_text(end);
    constexpr size_t cache_line_bytes = 64;
    for (size_t i = 0; i < text.size_bytes; i += cache_line_bytes) prefetch(values.data() + text_bytes + i);
    copy_loosely(values.data() + text_bytes, text.data, text.size_bytes);
    text_bytes = end;
    prefetch(offsets.data() + row * sizeof(int32_t));
    int32s(offsets)[row + 1] = static_cast<int32_t>(end);
  }

  void append_integer(size_t row, int64_t integer) {
    prefetch(values.data() + row * sizeof integer);
    std::memcpy(values.data() + row * sizeof integer, &integer, sizeof integer);
  }

  CFDNS_COLD static Slice text_of(const Plan& plan, const Value& name) {
    return plan.enumerations[static_cast<size_t>(name.integer)].texts[name.name].slice();
  }

  // The number that a name stands for. A column of several kinds has no table of them, and the name is its digits.
  CFDNS_COLD int64_t number_of(const Plan& plan, const Value& name) const {
    if (!plan_->by_name.empty()) return plan_->by_name[name.name];
    int64_t number = 0;
    parse_integer(text_of(plan, name), number);
    return number;
  }

  int64_t held(const Value& value) const {
    return value.type == ValueType::name ? plan_->by_name[value.name] : value.integer;
  }

  CFDNS_COLD void append_list(size_t row, const Plan& plan, const Event& event, const Value& value) {
    const Value* item = event.items.data() + value.integer;
    for (size_t i = 0; i < value.count; ++i) {
      for (Column& column : items) {
        if (column.rows == column.room_rows_) column.grow_rows();
        column.append(column.rows++, plan, event, *item++);
      }
    }
    int32s(offsets)[row + 1] = static_cast<int32_t>(items[0].rows);
  }

  const ColumnPlan* plan_;
  size_t room_rows_ = 0;
  size_t first_row_ = 0;  // of a part, in the whole column
  size_t first_byte_ = 0;
};

// All columns of a batch, or of a part of one.
class Columns {
 public:
  explicit Columns(const std::vector<ColumnPlan>& plans) {
    columns.reserve(plans.size());
    for (const ColumnPlan& plan : plans) columns.emplace_back(plan);
  }

  std::vector<Column> columns;
  size_t rows = 0;

  void add(const Plan& plan, const Event& event, Slice message) {
    if (rows == room_rows_) grow();
    for (Column& column : columns) column.append(rows, plan, event, message);
    ++rows;
  }

  // Call after the last event.
  void close() {
    for (Column& column : columns) column.rows = rows;
  }

  void clear() {
    for (Column& column : columns) column.clear();
    rows = 0;
  }

  // Each function calls the function of the same name for every column.
  void place(Columns& part) {
    for (size_t i = 0; i < columns.size(); ++i) columns[i].place(part.columns[i]);
    rows += part.rows;
  }
  bool has_room_for(const Columns& part) const {
    bool fits = true;
    for (size_t i = 0; i < columns.size(); ++i) fits = fits && columns[i].has_room_for(part.columns[i]);
    return fits;
  }
  void copy_part(const Columns& part) {
    for (size_t i = 0; i < columns.size(); ++i) columns[i].copy_part(part.columns[i]);
  }
  void reserve_placed() {
    for (Column& column : columns) column.reserve_placed();
  }
  void reserve_for(size_t input_bytes) {
    for (Column& column : columns) column.reserve_for(input_bytes);
  }
  void learn(size_t input_bytes) const {
    for (const Column& column : columns) column.learn(input_bytes);
  }
  void finish() {
    for (Column& column : columns) column.finish();
  }

 private:
  CFDNS_COLD void grow() {
    room_rows_ = SIZE_MAX;
    for (Column& column : columns) {
      if (column.room_rows() == rows) column.grow_rows();
      room_rows_ = std::min(room_rows_, column.room_rows());
    }
  }

  size_t room_rows_ = 0;
};

}  // namespace cfdns
