// NameTableBuilder: checks names, and makes a NameTable of them.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "matching/name_table.hpp"
#include "values/ip_address.hpp"

namespace cfdns {

// What became of a name that was added. In the order of matching.NAME_OUTCOMES.
enum class NameOutcome : uint8_t {
  added,
  duplicate,      // it was there already: it has the flags of both now
  public_suffix,  // it is no parent, because names of many owners are below it; it may still match itself
  single_label,   // not added, as all that follow
  too_long,
  not_ascii,
  address,
  invalid,
};
constexpr size_t name_outcomes = 8;

class NameTableBuilder {
 public:
  // `icann` and `all`: the suffix rules without and with the PRIVATE section.
  NameTableBuilder(std::shared_ptr<const SuffixTable> icann, std::shared_ptr<const SuffixTable> all)
      : icann_(std::move(icann)), all_(std::move(all)), table_(std::make_shared<NameTable>()) {
    slots_.resize(min_slots);
  }

  size_t size() const { return table_->count_; }

  NameOutcome add(Slice name, uint8_t flags, uint32_t metadata) {
    char text[NameTable::max_name_bytes + padding_bytes];
    const size_t size_bytes = copy_lower(name, text);
    if (size_bytes > NameTable::max_name_bytes) return NameOutcome::too_long;
    const Slice lower{text, size_bytes};
    const NameOutcome outcome = check(lower);
    if (outcome != NameOutcome::added) return outcome;
    if (flags & match_below &&
        (all_->split(lower, true).top_level_domain == 0 || icann_->has_suffix_below(lower, true))) {
      flags = static_cast<uint8_t>(flags & ~match_below);
      if (flags & match_self) insert(lower, flags, metadata);
      return NameOutcome::public_suffix;
    }
    return insert(lower, flags, metadata) ? NameOutcome::added : NameOutcome::duplicate;
  }

  // Add the name of each line of a plain list, and count what became of them. `wildcard_flags`: the flags of a name
  // after "*." or ".".
  void add_lines(Slice data, uint8_t flags, uint8_t wildcard_flags, uint32_t metadata,
                 size_t (&counts)[name_outcomes]) {
    const char* at = data.data;
    if (data.size_bytes >= 3 && std::memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
    while (at < data.end()) {
      const char* newline = find(at, data.end(), '\n');
      const char* end = newline == nullptr ? data.end() : newline;
      add_line(at, end, flags, wildcard_flags, metadata, counts);
      at = end + 1;
    }
  }

  // Return the table. The builder must not be used afterwards, also if this throws.
  std::shared_ptr<const NameTable> build() {
    NameTable& table = *table_;
    resize_slots(table.count_ + table.count_ / 9 + 1);
    table.tags_.assign(slots_.size(), 0);
    table.slots_.assign(slots_.size(), 0);
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].row_after == 0) continue;
      table.tags_[i] = NameTable::tag_of(slots_[i].hash);
      table.slots_[i] = slots_[i].row_after - 1;
    }
    std::vector<Slot>().swap(slots_);
    table.rows_.append(padding_bytes, '\0');
    table.rows_.shrink_to_fit();
    table.filter_.start(table.count_);
    for (size_t offset = 0; offset < table.rows_bytes();) {
      const NameTable::Row row = table.row(offset);
      if ((row.flags & is_allowed) == 0) {
        const NameParts parts = icann_->split(row.name, true);
        const bool has_domain = parts.registered_domain != NameParts::none;
        MatchName name{row.name, true, has_domain ? row.name.size_bytes - parts.registered_domain : 0};
        table.filter_.add(NameHash(name.key()));
      }
      offset = row.next;
    }
    return std::move(table_);
  }

 private:
  static constexpr size_t min_slots = 1024;

  // The slots of the table while it grows: with the hash, so that they can be moved without reading the rows.
  struct Slot {
    uint32_t hash = 0;
    uint32_t row_after = 0;  // 1 more than the offset of the row; 0 if the slot is free
  };

  // Copy a name in lower case without dots at its ends, with zeros after it, and undo "[.]" and "(.)". Returns its size;
  // if that exceeds the maximum, the copy is not complete.
  static size_t copy_lower(Slice name, char* to) {
    size_t size_bytes = 0;
    const char* at = name.data;
    const char* end = name.end();
    const auto is_defanged = [&at, end] {
      return end - at >= 3 && at[1] == '.' && ((at[0] == '[' && at[2] == ']') || (at[0] == '(' && at[2] == ')'));
    };
    size_t dots = 0;  // before the next character
    for (; at < end; ++at) {
      char c = *at;
      if (is_defanged()) {
        c = '.';
        at += 2;
      }
      if (c == '.') {
        dots += size_bytes != 0;
        continue;
      }
      if (size_bytes + dots >= NameTable::max_name_bytes) return NameTable::max_name_bytes + 1;
      for (; dots != 0; --dots) to[size_bytes++] = '.';
      to[size_bytes++] = static_cast<unsigned char>(c - 'A') < 26 ? static_cast<char>(c | 0x20) : c;
    }
    std::memset(to + size_bytes, 0, padding_bytes);
    return size_bytes;
  }

  static NameOutcome check(Slice name) {
    if (!is_ascii(name)) return NameOutcome::not_ascii;
    size_t label_bytes = 0;
    size_t dots = 0;
    bool is_number = true;
    for (const char* at = name.data; at != name.end(); ++at) {
      const char c = *at;
      if (c == '.') {
        if (label_bytes == 0) return NameOutcome::invalid;
        label_bytes = 0;
        ++dots;
        continue;
      }
      if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_') return NameOutcome::invalid;
      is_number = is_number && is_digit(c);
      if (++label_bytes > 63) return NameOutcome::invalid;
    }
    if (name.size_bytes == 0) return NameOutcome::invalid;
    if (dots == 0) return NameOutcome::single_label;
    return is_number && is_ip(name) ? NameOutcome::address : NameOutcome::added;
  }

  void add_line(const char* at, const char* end, uint8_t flags, uint8_t wildcard_flags, uint32_t metadata,
                size_t (&counts)[name_outcomes]) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; };
    while (at < end && is_blank(*at)) ++at;
    if (at == end || *at == '#' || *at == ';') return;
    const char* stop = at;
    while (stop < end && !is_blank(*stop)) ++stop;
    const char* rest = stop;
    while (rest < end && is_blank(*rest)) ++rest;
    if (rest != end && *rest != '#' && *rest != ';') {
      ++counts[static_cast<size_t>(NameOutcome::invalid)];
      return;
    }
    if (stop - at > 2 && at[0] == '*' && at[1] == '.') {
      at += 2;
      flags = wildcard_flags;
    } else if (stop - at > 1 && *at == '.') {
      flags = wildcard_flags;
    }
    ++counts[static_cast<size_t>(add({at, static_cast<size_t>(stop - at)}, flags, metadata))];
  }

  // Returns false if the name is there already. A name that is allowed stays allowed, or becomes it.
  bool insert(Slice name, uint8_t flags, uint32_t metadata) {
    // Grow first, because that may throw, and a table must keep a free slot.
    if (table_->count_ >= slots_.size() / 4 * 3) resize_slots(2 * slots_.size());
    const NameHash hash(name);
    size_t i = hash.index(slots_.size());
    for (; slots_[i].row_after != 0; i = i + 1 == slots_.size() ? 0 : i + 1) {
      if (slots_[i].hash != hash.short_hash()) continue;
      const size_t offset = slots_[i].row_after - 1;
      const NameTable::Row row = table_->row(offset);
      if (row.name.size_bytes != name.size_bytes || std::memcmp(row.name.data, name.data, name.size_bytes) != 0)
        continue;
      merge(offset, row, flags);
      return false;
    }
    const size_t offset = table_->rows_.size();
    if (offset > UINT32_MAX - 2 * NameTable::max_name_bytes) throw std::invalid_argument("a table holds at most 4 GiB");
    append_row(name, flags, metadata);
    slots_[i] = {hash.short_hash(), static_cast<uint32_t>(offset + 1)};
    ++table_->count_;
    return true;
  }

  // The flags are in the lowest bits of the first byte of a row, so they can change in place.
  void merge(size_t offset, const NameTable::Row& row, uint8_t flags) {
    if ((row.flags ^ flags) & is_allowed) {
      if (row.flags & is_allowed) return;
      set_flags(offset, flags);
    } else {
      set_flags(offset, static_cast<uint8_t>(row.flags | flags));
    }
  }

  void set_flags(size_t offset, uint8_t flags) {
    char& head = table_->rows_[offset];
    head = static_cast<char>((head & ~7) | flags);
  }

  // Append at once, so that a failed allocation leaves no part of a row.
  void append_row(Slice name, uint8_t flags, uint32_t metadata) {
    char row[8 + NameTable::max_name_bytes];
    char* at = row;
    uint32_t head = metadata << 3 | flags;
    for (; head >= 0x80; head >>= 7) *at++ = static_cast<char>(head | 0x80);
    *at++ = static_cast<char>(head);
    *at++ = static_cast<char>(name.size_bytes);
    std::memcpy(at, name.data, name.size_bytes);
    table_->rows_.append(row, static_cast<size_t>(at - row) + name.size_bytes);
  }

  void resize_slots(size_t count) {
    std::vector<Slot> slots(count);
    for (const Slot& slot : slots_) {
      if (slot.row_after == 0) continue;
      size_t i = NameHash::index_of(slot.hash, count);
      while (slots[i].row_after != 0) i = i + 1 == count ? 0 : i + 1;
      slots[i] = slot;
    }
    slots_ = std::move(slots);
  }

  const std::shared_ptr<const SuffixTable> icann_;
  const std::shared_ptr<const SuffixTable> all_;
  std::shared_ptr<NameTable> table_;
  std::vector<Slot> slots_;
};

}  // namespace cfdns
