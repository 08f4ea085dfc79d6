// SlotValues: the values of one record by slot, and the memory of texts that are not part of the record.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "json/token.hpp"
#include "json/unescape.hpp"
#include "plan/plan.hpp"
#include "support/buffer.hpp"
#include "values/value.hpp"

namespace cfdns {

class SlotValues {
 public:
  explicit SlotValues(const Plan& plan)
      // One more slot is for the elements of lists.
      : values(plan.slot_count + 1), plan_(plan) {
    made_texts_.reserve(plan.slot_count * plan.slot_text_bytes, 0);
  }

  std::vector<Value> values;  // by slot
  std::vector<Value> items;   // of lists and objects
  bool formats_times = true;  // a writer needs the text of timestamps
  bool counts_times = false;  // a writer needs their nanoseconds

 protected:
  // Call before the first read of a record.
  void begin(size_t record_bytes) {
    unescaped_bytes_ = 0;
    used_texts_ = 0;
    record_bytes_ = record_bytes;
    items.clear();
  }

  // Free memory that only records of more than max_bytes need. The current values are lost.
  void trim(size_t max_bytes) {
    unescaped_.trim(max_bytes);
    new_texts_.clear();
    if (items.capacity() > max_bytes / sizeof(Value)) items = std::vector<Value>();
  }

  void clear(const Reading& reading) {
    values[reading.slot].clear();
    if (reading.kind != Kind::domain_name) return;
    for (size_t i = 1; i < name_slots; ++i) values[reading.slot + i].clear();
  }

  void set_name(size_t slot, uint16_t table, uint16_t name) {
    Value& value = values[slot];
    value.type = ValueType::name;
    value.plain = true;
    value.name = name;
    value.text = plan_.enumerations[table].names[name].slice();
    value.integer = table;
  }

  void set_text(size_t slot, Slice text, bool plain) {
    Value& value = values[slot];
    value.type = ValueType::text;
    value.text = text;
    value.plain = plain;
  }

  // Set text, or no value if it is empty.
  void set_any_text(size_t slot, Slice text, bool plain) {
    set_text(slot, text, plain);
    values[slot].type = text.size_bytes == 0 ? ValueType::absent : ValueType::text;
  }

  // The buffer is reserved once for a record, so earlier texts never move. A list unescapes its elements again for each
  // of its readings.
  Slice unescaped(const Token& token) {
    if (unescaped_bytes_ == 0) unescaped_.reserve(record_bytes_ * plan_.unescapings, 0);
    Slice text{unescaped_.data() + unescaped_bytes_, 0};
    unescape(token.text, unescaped_.data() + unescaped_bytes_, text.size_bytes);
    unescaped_bytes_ += text.size_bytes;
    return text;
  }

  // A text that lives until the next record. made_texts_ has no space for it.
  std::string& new_text() {
    if (used_texts_ == new_texts_.size()) new_texts_.emplace_back();
    return new_texts_[used_texts_++];
  }

  // The memory of a slot for text that is not part of the record.
  char* made_text(size_t slot) { return made_texts_.data() + slot * plan_.slot_text_bytes; }

  const Plan& plan_;

 private:
  Buffer made_texts_;
  std::deque<std::string> new_texts_;  // a deque never moves its elements
  size_t used_texts_ = 0;
  Buffer unescaped_;
  size_t unescaped_bytes_ = 0;
  size_t record_bytes_ = 0;
};

}  // namespace cfdns
