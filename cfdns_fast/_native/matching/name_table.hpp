// NameTable: finds the longest name in a set that equals a query name, or is a parent of it.
//
// A query name is looked up from its registered domain on, because a name that matches as a parent always has one, and
// all names below it have the same (by the ICANN section of the suffix rules). One 64-bit word of a filter rejects most names, and can be prefetched. A name that
// passes is compared with the table label by label, from the right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.hpp"
#include "support/compiler.hpp"
#include "values/suffix_table.hpp"

namespace cfdns {

enum NameFlag : uint8_t {
  match_self = 1,   // the name itself
  match_below = 2,  // every name below it
  is_allowed = 4,   // such a name is no match, although a shorter name may match
};

// A hash of a name in which case does not count. The name is padded.
//
// The multipliers are secret, so that the author of a feed cannot choose names with equal hashes, with which a table
// would take quadratic time.
class NameHash {
 public:
  // Set the multipliers from random numbers. Only the first call in a process counts; call it before the first hash.
  static void set_secret(uint64_t first, uint64_t last) {
    if (secret_.is_set) return;
    // The third one is computed from the random numbers, and does not tell them.
    secret_ = {first | 1, last | 1, mixed(first * 0x94D049BB133111EBu ^ last) | 1, true};
  }

  // The first, the third and the last eight bytes are multiplied at once, which covers most names without a branch:
  // the sizes of names are random, so a loop is often mispredicted.
  CFDNS_INLINE explicit NameHash(Slice name) {
    const size_t size_bytes = name.size_bytes;
    const uint64_t mask = size_bytes >= 8 ? UINT64_MAX : (uint64_t{1} << (8 * size_bytes)) - 1;
    const uint64_t first = (load64(name.data) | case_bits) & mask;
    const uint64_t last = (load64(name.data + (size_bytes >= 8 ? size_bytes - 8 : 0)) | case_bits) & mask;
    const uint64_t second = load64(name.data + 8) | case_bits;
    uint64_t hash =
        (first + size_bytes) * secret_.first + last * secret_.last + (size_bytes > 16 ? second : 0) * secret_.second;
    for (size_t i = 16; i + 8 < size_bytes; i += 8) {
      // Mixed after the bytes are added: the product of a difference in the highest bits alone would not be secret.
      hash = mixed(hash ^ (load64(name.data + i) | case_bits)) * secret_.first;
    }
    value_ = mixed(hash) * 0x94D049BB133111EBu;
  }

  // Scale 32 bits of the hash to an index below count, which is less than 2^32 (Lemire, "A fast alternative to the
  // modulo reduction", 2016).
  size_t index(size_t count) const { return index_of(short_hash(), count); }
  static size_t index_of(uint32_t hash, size_t count) { return static_cast<size_t>(uint64_t{hash} * count >> 32); }

  uint32_t short_hash() const { return static_cast<uint32_t>(value_ >> 32); }
  uint64_t value() const { return value_; }

 private:
  static constexpr uint64_t case_bits = 0x2020202020202020u;

  // A multiplication carries upwards only, so the upper half is mixed into the lower one.
  static uint64_t mixed(uint64_t hash) { return hash ^ (hash >> 32); }

  struct Secret {
    uint64_t first, last, second;  // odd
    bool is_set;
  };
  inline static Secret secret_{0xBF58476D1CE4E5B9u, 0x9E3779B97F4A7C15u, 0xD6E8FEB86659FD93u, false};

  uint64_t value_;
};

// A Bloom filter of which each key sets bits in one word, so that a test reads one cache line (Putze, Sanders and
// Singler, 2007). It is immutable in use.
class NameFilter {
 public:
  // 12 bits a key let about 1 % of other keys pass.
  void start(size_t key_count) { words_.assign(key_count * bits_per_key / 64 + 1, 0); }
  void add(const NameHash& key) { words_[key.index(words_.size())] |= bits_of(key); }

  const uint64_t* word(const NameHash& key) const { return words_.data() + key.index(words_.size()); }
  const std::vector<uint64_t>& words() const { return words_; }
  static bool may_have(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

  // Four bits, of the half of the hash that does not choose the word. With 12 bits a key, a fifth one rejects no more.
  static uint64_t bits_of(const NameHash& key) {
    const uint64_t hash = key.value() >> 4;
    return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) | uint64_t{1} << (hash >> 12 & 63) |
           uint64_t{1} << (hash >> 18 & 63);
  }

  size_t memory_bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  static constexpr size_t bits_per_key = 12;

  std::vector<uint64_t> words_;
};

// A query name as the tables see it: padded text without dots at its ends, and the part of it that is looked up first.
struct MatchName {
  Slice text;
  bool plain = true;            // it has no backslash
  size_t registered_bytes = 0;  // the size of the registered domain at its end, by the ICANN section; 0 if it has none

  // The registered domain, or the last two labels of a name under an unknown suffix.
  Slice key() const {
    if (registered_bytes != 0) return {text.end() - registered_bytes, registered_bytes};
    return key_without_domain();
  }

  CFDNS_NOINLINE Slice key_without_domain() const {
    const LabelFinder labels(text, plain);
    const char* start = labels.label_start(text.end());
    if (start > text.data) start = labels.label_start(start - 1);
    return {start, static_cast<size_t>(text.end() - start)};
  }
};

// The names with their flags and a number for what is known of each. Rows are offsets in the text.
class NameTable {
 public:
  static constexpr size_t max_name_bytes = 253;
  static constexpr uint32_t max_metadata = (uint32_t{1} << 28) - 1;

  struct Row {
    uint8_t flags;
    uint32_t metadata;
    Slice name;
    size_t next;  // the row after it
  };

  struct Match {
    uint32_t row = 0;
    uint32_t metadata = 0;
    uint32_t start = 0;  // of the matched name in the query name
  };

  size_t size() const { return count_; }
  size_t rows_bytes() const {
    return rows_.size() < padding_bytes ? 0 : rows_.size() - padding_bytes;
  }  // the offset after the last row

  size_t memory_bytes() const {
    return rows_.capacity() + tags_.capacity() + slots_.capacity() * sizeof(uint32_t) + filter_.memory_bytes();
  }

  const NameFilter& filter() const { return filter_; }

  // Read the row at an offset. The name is padded.
  Row row(size_t offset) const {
    const char* at = rows_.data() + offset;
    uint32_t head = 0;
    for (unsigned shift = 0; shift < 32; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at++);
      head |= (byte & 0x7Fu) << shift;
      if (byte < 0x80) break;
    }
    const auto size_bytes = static_cast<unsigned char>(*at++);
    const size_t name = static_cast<size_t>(at - rows_.data());
    return {static_cast<uint8_t>(head & 7), head >> 3, {at, size_bytes}, name + size_bytes};
  }

  // Whether an offset is the start of a row.
  bool has_row(size_t offset) const {
    if (offset >= rows_bytes()) return false;
    const Row found = row(offset);
    uint32_t same;
    return found.next <= rows_bytes() && find_row(found.name, same) && same == offset;
  }

  // The longest name that applies decides. Returns false if there is none, or if it is allowed.
  CFDNS_NOINLINE bool find(const MatchName& name, Match& match) const {
    return find_from(name, name.key().data, match);
  }

  // The same for a name that is not split.
  bool find_unsplit(const MatchName& name, Match& match) const {
    return find_from(name, LabelFinder(name.text, name.plain).label_start(name.text.end()), match);
  }

 private:
  friend class NameTableBuilder;

  // A byte of the hash that does not choose the slot; never 0.
  static uint8_t tag_of(uint32_t short_hash) {
    const auto tag = static_cast<uint8_t>(short_hash);
    return tag == 0 ? 1 : tag;
  }

  bool find_from(const MatchName& name, const char* start, Match& match) const {
    const LabelFinder labels(name.text, name.plain);
    bool found = false;
    for (;; start = labels.label_start(start - 1)) {
      uint32_t offset;
      if (find_row({start, static_cast<size_t>(name.text.end() - start)}, offset)) {
        const Row found_row = row(offset);
        if (found_row.flags & (start == name.text.data ? match_self : match_below)) {
          found = (found_row.flags & is_allowed) == 0;
          match = {offset, found_row.metadata, static_cast<uint32_t>(start - name.text.data)};
        }
      }
      if (start <= name.text.data) return found;
    }
  }

  bool find_row(Slice name, uint32_t& offset) const {
    if (name.size_bytes > max_name_bytes || tags_.empty()) return false;
    const NameHash hash(name);
    const uint8_t tag = tag_of(hash.short_hash());
    size_t i = hash.index(tags_.size());
    for (; tags_[i] != 0; i = i + 1 == tags_.size() ? 0 : i + 1) {
      if (tags_[i] != tag) continue;
      const Slice other = row(slots_[i]).name;
      if (other.size_bytes != name.size_bytes || !equal_ignoring_ascii_case(other.data, name.data, name.size_bytes)) {
        continue;
      }
      offset = slots_[i];
      return true;
    }
    return false;
  }

  size_t count_ = 0;
  std::string rows_;
  // Open addressing. A name that is not there mostly reads one cache line of the tags.
  std::vector<uint8_t> tags_;    // 0 if the slot is free
  std::vector<uint32_t> slots_;  // the offset of the row
  NameFilter filter_;            // the keys of the names that are not allowed; see MatchName::key
};

}  // namespace cfdns
