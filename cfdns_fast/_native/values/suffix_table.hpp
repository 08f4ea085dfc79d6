// SuffixTable: look up public suffixes in a trie of labels, from the right, as tldextract does. plan/suffix_table.py
// compiles the rules.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/unescape.hpp"
#include "support/compiler.hpp"
#include "support/simd.hpp"

namespace cfdns {

// The parts of a name, as offsets into it.
struct NameParts {
  static constexpr size_t none = SIZE_MAX;
  size_t top_level_domain = none;   // to the end of the name
  size_t registered_domain = none;  // to the end of the name
  size_t subdomain_end = 0;         // from the start of the name; 0 if there is no subdomain
};

// Finds the labels of a name from the right. Names without escapes and of less than 64 bytes use a mask of their dots,
// because the length of a label is random, and a search byte by byte is often mispredicted.
class LabelFinder {
 public:
  // name: padded text. plain: the name has no backslash.
  LabelFinder(Slice name, bool plain) : start_(name.data), plain_(plain) {
#ifdef CFDNS_X64
    by_mask_ = plain && name.size_bytes < 64 && simd_level != SimdLevel::plain;
    if (!by_mask_) return;
    for (size_t i = 0; i < name.size_bytes; i += 16) dots_ |= uint64_t{mask_equal(load16(name.data + i), '.')} << i;
#endif
  }

  // The start of the label that ends at label_end: the byte after the last dot that is not escaped by a backslash.
  const char* label_start(const char* label_end) const {
    if (by_mask_) {
      uint64_t before = dots_ & ((uint64_t{1} << (label_end - start_)) - 1);
      return before == 0 ? start_ : start_ + highest_bit(before) + 1;
    }
    const char* at = label_end;
    while (at > start_) {
      if (at[-1] == '.') {
        if (plain_) return at;
        const char* escape = at - 1;
        while (escape > start_ && escape[-1] == '\\') --escape;
        if (((at - 1 - escape) & 1) == 0) return at;
      }
      --at;
    }
    return start_;
  }

 private:
  const char* start_;
  uint64_t dots_ = 0;
  bool plain_;
  bool by_mask_ = false;
};

// Whether padded text equals text in lower case, apart from the case of ASCII letters.
inline bool equal_ignoring_ascii_case(const char* lower, const char* text, size_t size_bytes) {
  for (; size_bytes > 8; lower += 8, text += 8, size_bytes -= 8) {
    if (ascii_lower(load64(text)) != load64(lower)) return false;
  }
  return size_bytes == 0 || first_bytes(ascii_lower(load64(text)) ^ load64(lower), size_bytes) == 0;
}

class SuffixTable {
 public:
  enum NodeFlag : uint8_t { rule_ends = 1, has_wildcard = 2, has_children = 4 };

  // node_flags: one byte for each node, where node 0 is the root. add_edge sets has_children.
  explicit SuffixTable(std::string_view node_flags) : flags_(node_flags) {}

  void add_edge(uint32_t parent, Slice label, uint32_t child) {
    flags_[parent] = static_cast<char>(flags_[parent] | has_children);
    edges_.push_back({parent, child, static_cast<uint32_t>(labels_.size()), static_cast<uint32_t>(label.size_bytes)});
    labels_.append(label.data, label.size_bytes);
    if (label.size_bytes > max_label_bytes_) max_label_bytes_ = label.size_bytes;
  }

  // A code point whose lower case may stand in a rule.
  void add_fold(uint32_t upper, uint32_t lower) { folds_.push_back({upper, lower}); }

  // Call once, after the last add. Folds must have been added in ascending order.
  void finish() {
    labels_.append(padding_bytes, '\0');
    size_t slots = 64;
    while (slots < edges_.size() * 3) slots *= 2;
    mask_ = slots - 1;
    table_.assign(slots, 0);
    short_edges_.reserve(edges_.size());
    for (size_t i = 0; i < edges_.size(); ++i) {
      const Edge& edge = edges_[i];
      const Slice label{labels_.data() + edge.label, edge.size_bytes};
      if (ShortEdges::fits(label)) {
        short_edges_.add(edge.parent, label, edge.child);
        continue;
      }
      size_t slot = hash(edge.parent, label) & mask_;
      while (table_[slot] != 0) slot = (slot + 1) & mask_;
      table_[slot] = static_cast<uint32_t>(i + 1);
    }
  }

  // name: padded text that is not empty and has no dot at either end. plain: the name has no backslash.
  CFDNS_INLINE NameParts split(Slice name, bool plain) const {
    NameParts parts;
    const LabelFinder labels(name, plain);
    const char* start = name.data;
    const char* label_end = name.end();
    const char* label = label_end;
    const char* suffix = nullptr;
    const char* matched = label_end;
    uint32_t node = 0;
    for (;;) {
      label = labels.label_start(label_end);
      uint32_t child = lookup(node, {label, static_cast<size_t>(label_end - label)}, false);
      if (child == 0) {
        if (flags_[node] & has_wildcard) {
          bool exception = lookup(node, {label, static_cast<size_t>(label_end - label)}, true) != 0;
          suffix = exception ? matched : label;
        }
        break;
      }
      node = child;
      matched = label;
      if (flags_[node] & rule_ends) suffix = label;
      // Most names end here: no rule is below "com", so the table need not be searched.
      if (label == start || !(flags_[node] & has_children)) break;
      label_end = label - 1;
    }
    if (suffix == nullptr) {
      const char* last = labels.label_start(name.end());
      if (last != start) parts.subdomain_end = static_cast<size_t>(last - 1 - start);
      return parts;
    }
    parts.top_level_domain = static_cast<size_t>(suffix - start);
    if (suffix == start) return parts;
    const char* domain_end = suffix - 1;
    const char* domain = labels.label_start(domain_end);
    if (domain != domain_end) parts.registered_domain = static_cast<size_t>(domain - start);
    if (domain != start) parts.subdomain_end = static_cast<size_t>(domain - 1 - start);
    return parts;
  }

  // Whether a suffix stands below the name, for example "c.kobe.jp" below "kobe.jp". name: as for split().
  bool has_suffix_below(Slice name, bool plain) const {
    const LabelFinder labels(name, plain);
    const char* label_end = name.end();
    uint32_t node = 0;
    for (;;) {
      const char* label = labels.label_start(label_end);
      node = lookup(node, {label, static_cast<size_t>(label_end - label)}, false);
      if (node == 0 || label == name.data) return node != 0 && flags_[node] & has_children;
      label_end = label - 1;
    }
  }

 private:
  struct Edge {
    uint32_t parent, child, label, size_bytes;
  };
  struct Fold {
    uint32_t upper, lower;
  };

  // Edges whose labels have up to eight ASCII bytes, as most suffixes have. A slot holds the whole label, so a look-up
  // reads one cache line.
  class ShortEdges {
   public:
    // Whether a label is stored here. All other functions expect such a label.
    static bool fits(Slice label) {
      return label.size_bytes - 1 < 8 && (first_bytes(load64(label.data), label.size_bytes) & 0x8080808080808080u) == 0;
    }

    void reserve(size_t count) {
      while (size_t{1} << bits_ < 2 * count) ++bits_;
      slots_.assign(size_t{1} << bits_, {});
    }

    void add(uint32_t parent, Slice label, uint32_t child) {
      const uint64_t word = word_of(label);
      const uint32_t key = key_of(parent, label.size_bytes);
      size_t i = index(key, word);
      while (slots_[i].child != 0) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = {word, key, child};
    }

    uint32_t find(uint32_t parent, Slice label) const {
      const uint64_t word = word_of(label);
      const uint32_t key = key_of(parent, label.size_bytes);
      for (size_t i = index(key, word);; i = (i + 1) & (slots_.size() - 1)) {
        const Slot& slot = slots_[i];
        if ((slot.word == word && slot.key == key) || slot.child == 0) return slot.child;
      }
    }

   private:
    struct Slot {
      uint64_t word = 0;
      uint32_t key = 0, child = 0;
    };

    // The label in lower case, with zeros after it.
    static uint64_t word_of(Slice label) { return ascii_lower(first_bytes(load64(label.data), label.size_bytes)); }

    // The size is a part of the key, because a label may end in NUL.
    static uint32_t key_of(uint32_t parent, size_t size_bytes) {
      return parent << 4 | static_cast<uint32_t>(size_bytes);
    }

    // Fibonacci hashing: the upper bits of a product with 2^64 / the golden ratio (Knuth, TAOCP, section 6.4).
    size_t index(uint32_t key, uint64_t word) const {
      return static_cast<size_t>((word + key) * 0x9E3779B97F4A7C15u >> (64 - bits_));
    }

    unsigned bits_ = 4;
    std::vector<Slot> slots_;
  };

  // Setting bit 5 gives both cases of a letter the same hash. The first and the last eight bytes count, mixed by
  // two steps of SplitMix64 (Steele, Lea and Flood, 2014).
  static uint64_t hash(uint32_t parent, Slice label) {
    constexpr uint64_t case_bits = 0x2020202020202020u;
    uint64_t first = load64(label.data) | case_bits;
    uint64_t last = first;
    if (label.size_bytes < 8) {
      first = label.size_bytes == 0 ? 0 : first << (64 - 8 * label.size_bytes);
      last = 0;
    } else {
      last = load64(label.end() - 8) | case_bits;
    }
    uint64_t mixed = (first ^ (uint64_t{parent} << 32 | label.size_bytes)) * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 29) ^ last) * 0xBF58476D1CE4E5B9u;
    return mixed ^ (mixed >> 32);
  }

  // The child of a node by label, or by "!" and the label for an exception; 0 if there is none.
  CFDNS_INLINE uint32_t lookup(uint32_t node, Slice label, bool exception) const {
    // Folding shortens a label to a third at most (three bytes of UTF-8 to one).
    if (label.size_bytes > 3 * max_label_bytes_) return 0;
    if (!exception && ShortEdges::fits(label)) return short_edges_.find(node, label);
    return lookup_rarer(node, label, exception);
  }

  CFDNS_NOINLINE uint32_t lookup_rarer(uint32_t node, Slice label, bool exception) const {
    if (!exception && is_ascii(label)) return find_edge(node, label);
    std::string folded(exception ? "!" : "");
    fold(label, folded);
    size_t size_bytes = folded.size();
    folded.append(padding_bytes, '\0');
    const Slice plain{folded.data(), size_bytes};
    return ShortEdges::fits(plain) ? short_edges_.find(node, plain) : find_edge(node, plain);
  }

  // For labels that are not in short_edges_.
  uint32_t find_edge(uint32_t node, Slice label) const {
    for (size_t slot = hash(node, label) & mask_; table_[slot] != 0; slot = (slot + 1) & mask_) {
      const Edge& edge = edges_[table_[slot] - 1];
      if (edge.parent == node && edge.size_bytes == label.size_bytes &&
          equal_ignoring_ascii_case(labels_.data() + edge.label, label.data, label.size_bytes)) {
        return edge.child;
      }
    }
    return 0;
  }

  // Lower the code points that a rule can have (Unicode simple lower case). The text is valid UTF-8.
  void fold(Slice label, std::string& out) const {
    const char* at = label.data;
    while (at < label.end()) {
      unsigned char lead = static_cast<unsigned char>(*at);
      size_t size_bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      uint32_t lower = lead < 0x80 ? 0 : lower_of(at, size_bytes);
      if (lower == 0) {
        out.append(at, size_bytes);
      } else {
        append_utf8(lower, out);
      }
      at += size_bytes;
    }
  }

  uint32_t lower_of(const char* at, size_t size_bytes) const {
    uint32_t c = static_cast<unsigned char>(*at) & (0x7Fu >> size_bytes);
    for (size_t i = 1; i < size_bytes; ++i) c = c << 6 | (static_cast<unsigned char>(at[i]) & 0x3F);
    size_t low = 0, high = folds_.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (folds_[middle].upper < c) low = middle + 1;
      else high = middle;
    }
    return low < folds_.size() && folds_[low].upper == c ? folds_[low].lower : 0;
  }

  static void append_utf8(uint32_t c, std::string& out) {
    char bytes[4];
    out.append(bytes, static_cast<size_t>(detail::write_utf8(bytes, c) - bytes));
  }

  std::string flags_;
  std::string labels_;
  std::vector<Edge> edges_;
  std::vector<Fold> folds_;
  std::vector<uint32_t> table_;
  ShortEdges short_edges_;
  size_t mask_ = 0;
  size_t max_label_bytes_ = 0;
};

}  // namespace cfdns
