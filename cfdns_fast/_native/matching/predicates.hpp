// Predicates: conditions on a query name and other fields. matching/predicates.py compiles them.
//
// Most conditions can only be true if the name has one of some literal pieces. A screen tests the places of a name where
// a piece can stand, by a hash of up to eight bytes: at its ends and around its dots. Pieces without a dot are looked
// for at every place. Only the conditions of pieces that pass are evaluated.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "matching/patterns.hpp"
#include "support/checked_enum.hpp"
#include "support/compiler.hpp"
#include "support/simd.hpp"

namespace cfdns {

// The fields of a condition, in the order of matching.FIELDS.
enum class MatchedField : uint8_t { name, type, rcode, source };
constexpr size_t matched_fields = 4;

class Predicates {
 public:
  // Where a piece stands.
  enum class Place : uint8_t {
    end,     // at the end of the name
    start,   // at its start
    after,   // from a dot on
    before,  // up to a dot
    around,  // four bytes, a dot and two bytes: most values have such a piece, and then a dot needs only one test
    any,     // anywhere
  };

  // What an instruction of a program does with the stack of results.
  enum class Code : uint8_t { pattern, all, any, negation, at_least };

  // Add the instructions of a condition in postfix order. `count`: the number of results that it replaces by one.
  // `operand`: of `pattern` its index, of `at_least` the number that must be true.
  void begin_condition() { conditions_.emplace_back(); }
  void add_instruction(int code, uint32_t operand, uint32_t count) {
    conditions_.back().program.push_back({checked_enum(code, Code::at_least), operand, count});
  }
  // Evaluate the last condition for every name.
  void screen_no_names() { always_.push_back(static_cast<uint32_t>(conditions_.size() - 1)); }

  size_t add_pattern(int field, int kind, std::string_view text, bool cased) {
    const PatternKind checked = checked_enum(kind, PatternKind::automaton);
    patterns_.push_back({checked_enum(field, MatchedField::source), Pattern(checked, std::string(text), cased)});
    return patterns_.size() - 1;
  }

  // Evaluate the last condition if a name has this piece. `any` has three bytes, `around` seven, the others four or
  // eight, and `start` may also have two.
  void add_piece(int place, std::string_view piece) {
    std::string padded(piece);
    padded.append(8, '\0');
    const Place checked = checked_enum(place, Place::any);
    const uint64_t word = first_bytes(load64(padded.data()) | case_bits, piece.size());
    const size_t size = checked >= Place::around || piece.size() == 2 ? 0 : piece.size() == 8 ? 1 : 2;
    has_place_[static_cast<size_t>(checked)][size] = true;
    if (checked == Place::any && std::count(anywhere_.begin(), anywhere_.end(), word) == 0) anywhere_.push_back(word);
    std::vector<uint32_t>& conditions = pieces_[key(checked, size, word)];
    const uint32_t condition = static_cast<uint32_t>(conditions_.size() - 1);
    if (conditions.empty() || conditions.back() != condition) conditions.push_back(condition);
  }

  // Call after the last add.
  void finish() {
    while (size_t{1} << bits_ < pieces_.size() * 2) ++bits_;
    words_.assign(size_t{1} << bits_, 0);
    for (const auto& piece : pieces_) words_[index_of(piece.first)] |= mask_of(piece.first);
    for (uint64_t piece : anywhere_) {
      Compared made;
      for (size_t i = 0; i < 3; ++i) std::memset(made.bytes + 16 * i, static_cast<int>(piece >> (8 * i) & 0xFF), 16);
      compared_.push_back(made);
    }
  }

  size_t size() const { return conditions_.size(); }

  // Whether a condition may be true. The name is padded, has no dots at its ends, and is not empty.
  bool may_match(Slice name) const {
    if (!always_.empty()) return true;
    Probe probe{*this};
    visit(name, probe);
    return probe.found || (!anywhere_.empty() && has_any(name));
  }

  // Call `found` with the index of each condition that is true, in ascending order. `fields`: their texts; no data for a
  // field without a value.
  template <class Found>
  void find(const Slice (&fields)[matched_fields], Found found) const {
    std::vector<uint32_t> wanted = always_;
    auto add = [&](uint64_t key) {
      const auto piece = has(key) ? pieces_.find(key) : pieces_.end();
      if (piece != pieces_.end()) wanted.insert(wanted.end(), piece->second.begin(), piece->second.end());
    };
    visit(fields[0], add);
    for (size_t i = 0; !anywhere_.empty() && i < fields[0].size_bytes; ++i) add(anywhere_key(fields[0].data + i));
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::vector<bool> results;
    for (uint32_t condition : wanted) {
      if (is_true(conditions_[condition].program, fields, results)) found(condition);
    }
  }

 private:
  static constexpr uint64_t case_bits = 0x2020202020202020u;
  static constexpr size_t mask_bits = 64;
  static constexpr size_t around_bytes = 7;
  // Three of the first 64 bytes, so that eight bytes around each of them are within a name and its padding.
  static constexpr uint64_t three_places = uint64_t{7} << 58;

  struct Instruction {
    Code code;
    uint32_t operand;
    uint32_t count;
  };
  struct Condition {
    std::vector<Instruction> program;
  };
  // A piece of three bytes, each of them sixteen times.
  struct Compared {
    char bytes[48];
  };
  // Tests keys. As a lambda, GCC does not inline it, and then each test waits for the one before it to store its result.
  struct Probe {
    const Predicates& predicates;
    bool found = false;
    CFDNS_INLINE void operator()(uint64_t key) { found |= predicates.has(key); }
  };
  struct FieldPattern {
    MatchedField field;
    Pattern pattern;
  };

  static uint64_t key(Place place, size_t size, uint64_t word) {
    // Adding an odd constant for each place and size separates them.
    return (word + (static_cast<uint64_t>(place) * 3 + size + 1) * 0x632BE59BD9B4E019u) * 0x9E3779B97F4A7C15u;
  }

  // The screen is a Bloom filter with two bits a key, both in the word that the upper bits choose.
  size_t index_of(uint64_t key) const { return static_cast<size_t>(key >> (64 - bits_)); }
  static uint64_t mask_of(uint64_t key) { return uint64_t{1} << (key >> 20 & 63) | uint64_t{1} << (key >> 26 & 63); }
  bool has(uint64_t key) const {
    // Takes fewer instructions than a comparison with the mask.
    const uint64_t word = words_[index_of(key)];
    return (word >> (key >> 20 & 63) & word >> (key >> 26 & 63) & 1) != 0;
  }

  static uint64_t anywhere_key(const char* at) { return key(Place::any, 0, (load64(at) | case_bits) & 0xFFFFFF); }

  CFDNS_NOINLINE bool has_any(Slice name) const {
#ifdef CFDNS_X64
    if (simd_level != SimdLevel::plain && anywhere_.size() <= max_compared) return has_any_by_vectors(name);
#endif
    bool found = false;
    for (size_t i = 0; i < name.size_bytes; ++i) found |= has(anywhere_key(name.data + i));
    return found;
  }

#ifdef CFDNS_X64
  // Compare sixteen places at once with each piece, and thirty-two without a branch: most names are not longer.
  bool has_any_by_vectors(Slice name) const {
    for (size_t i = 0; i < name.size_bytes; i += 32) {
      const uint64_t found = any_at(name.data + i) | any_at(name.data + i + 16) << 16;
      // What follows the name is not part of it.
      const size_t left_bytes = std::min<size_t>(name.size_bytes - i, 32);
      if ((found & ((uint64_t{1} << left_bytes) - 1)) != 0) return true;
    }
    return false;
  }

  // The places of sixteen at which a piece stands, as bits.
  CFDNS_INLINE uint64_t any_at(const char* at) const {
    const __m128i case_bit = _mm_set1_epi8(0x20);
    const __m128i first = _mm_or_si128(load16(at), case_bit);
    const __m128i second = _mm_or_si128(load16(at + 1), case_bit);
    const __m128i third = _mm_or_si128(load16(at + 2), case_bit);
    __m128i found = _mm_setzero_si128();
    for (const Compared& each : compared_) {
      const __m128i same =
          _mm_and_si128(_mm_cmpeq_epi8(first, load16(each.bytes)), _mm_cmpeq_epi8(second, load16(each.bytes + 16)));
      found = _mm_or_si128(found, _mm_and_si128(same, _mm_cmpeq_epi8(third, load16(each.bytes + 32))));
    }
    return static_cast<uint64_t>(_mm_movemask_epi8(found));
  }
#endif

  // The eight bytes before an offset, the last one highest; zeros where the name has none.
  static uint64_t word_before(Slice name, size_t end) {
    return end >= 8 ? load64(name.data + end - 8) | case_bits : (load64(name.data) | case_bits) << (64 - 8 * end);
  }

  bool has(Place place, size_t size) const { return has_place_[static_cast<size_t>(place)][size]; }

  // Visit the keys at one place: of eight bytes and of four.
  template <class Visit>
  CFDNS_INLINE void visit_first(Place place, uint64_t word, Visit& visit) const {
    if (has(place, 1)) visit(key(place, 1, word));
    if (has(place, 2)) visit(key(place, 2, word & 0xFFFFFFFF));
  }
  template <class Visit>
  CFDNS_INLINE void visit_last(Place place, uint64_t word, Visit& visit) const {
    if (has(place, 1)) visit(key(place, 1, word));
    if (has(place, 2)) visit(key(place, 2, word >> 32));
  }

  // Visit the keys of all places, except of pieces that may stand anywhere.
  template <class Visit>
  CFDNS_INLINE void visit(Slice name, Visit& visit) const {
    visit_last(Place::end, word_before(name, name.size_bytes), visit);
    const uint64_t first = load64(name.data) | case_bits;
    visit_first(Place::start, first, visit);
    if (has(Place::start, 0)) visit(key(Place::start, 0, first & 0xFFFF));
    const bool has_others =
        has(Place::after, 1) || has(Place::after, 2) || has(Place::before, 1) || has(Place::before, 2);
    if (has(Place::around, 0) || has_others) visit_dots(name, has_others, visit);
  }

  template <class Visit>
  CFDNS_INLINE void visit_dots(Slice name, bool has_others, Visit& visit) const {
    uint64_t dots = first_dots(name);
    if (has(Place::around, 0)) {
      // The first three dots without a branch, because the number of dots is random. A name with fewer dots has other
      // places tested, which may be in its padding.
      uint64_t left = dots | three_places;
      for (int i = 0; i < 3; ++i, left &= left - 1) visit(around_key(name, lowest_bit(left)));
      for (left &= dots; left != 0; left &= left - 1) visit(around_key(name, lowest_bit(left)));
    }
    for (; has_others && dots != 0; dots &= dots - 1) visit_dot(name, lowest_bit(dots), visit);
    for (size_t i = mask_bits; i < name.size_bytes; ++i) {
      if (name.data[i] != '.') continue;
      if (has(Place::around, 0)) visit(around_key(name, i));
      if (has_others) visit_dot(name, i, visit);
    }
  }

  // The dots of the first 64 bytes, as bits.
  static uint64_t first_dots(Slice name) {
    uint64_t dots = 0;
#ifdef CFDNS_X64
    if (simd_level != SimdLevel::plain) {
      for (size_t i = 0; i < mask_bits; i += 16) dots |= uint64_t{mask_equal(load16(name.data + i), '.')} << i;
      return name.size_bytes < mask_bits ? dots & ((uint64_t{1} << name.size_bytes) - 1) : dots;
    }
#endif
    for (size_t i = 0; i < std::min(name.size_bytes, mask_bits); ++i) dots |= uint64_t{name.data[i] == '.'} << i;
    return dots;
  }

  // The key of the bytes around a dot. No piece stands around a dot that fewer than four bytes precede: any key will do.
  static uint64_t around_key(Slice name, size_t dot) {
    const size_t start = dot < 4 ? 0 : dot - 4;
    return key(Place::around, 0, first_bytes(load64(name.data + start) | case_bits, around_bytes));
  }

  template <class Visit>
  CFDNS_INLINE void visit_dot(Slice name, size_t dot, Visit& visit) const {
    visit_first(Place::after, load64(name.data + dot) | case_bits, visit);
    visit_last(Place::before, word_before(name, dot + 1), visit);
  }

  bool is_true(const std::vector<Instruction>& program, const Slice (&fields)[matched_fields],
               std::vector<bool>& results) const {
    results.clear();
    for (const Instruction& each : program) {
      if (each.code == Code::pattern) {
        const FieldPattern& pattern = patterns_[each.operand];
        const Slice text = fields[static_cast<size_t>(pattern.field)];
        results.push_back(text.data != nullptr && pattern.pattern.matches(text));
        continue;
      }
      const size_t first = results.size() - each.count;
      size_t true_count = 0;
      for (size_t i = first; i < results.size(); ++i) true_count += results[i];
      results.resize(first);
      results.push_back(each.code == Code::negation ? true_count == 0
                        : each.code == Code::all    ? true_count == each.count
                        : each.code == Code::any    ? true_count != 0
                                                    : true_count >= each.operand);
    }
    return results.back();
  }

  std::vector<FieldPattern> patterns_;
  std::vector<Condition> conditions_;
  std::vector<uint32_t> always_;                                // the conditions that no piece screens
  std::unordered_map<uint64_t, std::vector<uint32_t>> pieces_;  // conditions by key
  bool has_place_[6][3] = {};
  static constexpr size_t max_compared = 16;
  std::vector<uint64_t> anywhere_;  // the pieces that may stand anywhere
  std::vector<Compared> compared_;  // the same for vectors
  unsigned bits_ = 4;
  std::vector<uint64_t> words_;
};

}  // namespace cfdns
