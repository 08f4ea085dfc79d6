// Plan: what Python decided, once, about every record: which keys to read, how to read them, where they go. Immutable.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "suffix.hpp"
#include "time.hpp"

namespace cfdns {

// How a source value is read; data/README.md describes each. The name kinds share one reading.
enum class Kind : uint8_t { text, integer, boolean, enumeration, timestamp, ip, name };
constexpr size_t name_slots = 4;  // name, registered_domain, subdomain, top_level_domain

// One reading of one source into a slot (kind name: into four).
struct Reading {
  Kind kind;
  uint16_t slot;
  uint16_t table;   // of enumerations
  bool parts;       // of names: somebody wants the registered domain, subdomain or top-level domain
};

// The first 24 bytes of a key and its closing quote; the masks leave out what lies behind.
struct KeyWords {
  uint64_t words[3] = {};
  uint64_t masks[3] = {};
};

struct Source {
  KeyWords key_words;
  std::string key;         // then a quote, then padding
  uint32_t key_bytes = 0;  // without them
  bool plain_key = true;   // JSON writes the key as it is: no quote, backslash or control character in it
  uint16_t first_reading = 0;
  uint16_t last_reading = 0;
  bool required = false;
};

// Text of ours that may be copied loosely.
class PaddedText {
 public:
  PaddedText() = default;
  explicit PaddedText(std::string_view text) : text_(text), size_bytes_(text.size()) {
    text_.append(padding_bytes, '\0');
  }
  Slice slice() const { return {text_.data(), size_bytes_}; }

 private:
  std::string text_;
  size_t size_bytes_ = 0;
};

// Names by number, 0 to 65535; 0 in `index` stands for none.
struct Enumeration {
  std::vector<uint16_t> index = std::vector<uint16_t>(65536, 0);
  std::vector<PaddedText> names = std::vector<PaddedText>(1);  // as JSON text without the quotes
};

// One step of the NDJSON writer. What stands before a value is its key, and the opening bracket and quote if it has them;
// behind it come the closing ones and a comma.
struct Step {
  enum class What : uint8_t { literal, open, close, raw, value };
  Slice before;  // in the plan's fragments, padded
  char after[8] = {};
  uint16_t slot = 0;
  What what = What::literal;
  uint8_t after_bytes = 0;
};

class Plan {
 public:
  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  std::vector<Source> sources;
  std::vector<Reading> readings;  // grouped by source
  std::vector<Enumeration> enumerations;
  std::vector<Step> steps;
  std::shared_ptr<const SuffixTable> suffixes;
  TimestampUnit unit = TimestampUnit::automatic;
  size_t max_record_bytes = 0;
  size_t slot_count = 0;

  // In any order; every key once.
  void add_source(std::string_view key, bool required) {
    Source source;
    source.key.assign(key);
    source.key_bytes = static_cast<uint32_t>(key.size());
    for (char c : key) source.plain_key &= c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
    source.key += '"';
    source.key.append(padding_bytes, '\0');
    for (size_t i = 0; i < 3; ++i) {
      size_t left = key.size() + 1 > 8 * i ? key.size() + 1 - 8 * i : 0;
      source.key_words.words[i] = load64(source.key.data() + 8 * i);
      source.key_words.masks[i] = left == 0 ? 0 : UINT64_MAX >> (left < 8 ? 64 - 8 * left : 0);
    }
    source.first_reading = source.last_reading = static_cast<uint16_t>(readings.size());
    source.required = required;
    sources.push_back(std::move(source));
  }

  // Reads the source added last.
  void add_reading(int kind, size_t slot, size_t table, bool parts) {
    readings.push_back({static_cast<Kind>(kind), static_cast<uint16_t>(slot), static_cast<uint16_t>(table), parts});
    sources.back().last_reading = static_cast<uint16_t>(readings.size());
  }

  void add_enumeration() { enumerations.emplace_back(); }

  // To the enumeration added last.
  void add_name(uint32_t number, std::string_view name) {
    Enumeration& table = enumerations.back();
    table.index[number] = static_cast<uint16_t>(table.names.size());
    table.names.emplace_back(name);
    name_bytes_ = name.size() > name_bytes_ ? name.size() : name_bytes_;
  }

  void add_step(int what, size_t slot, std::string_view before, std::string_view after) {
    Step step;
    step.what = static_cast<Step::What>(what);
    step.slot = static_cast<uint16_t>(slot);
    fragments_.emplace_back(before);
    step.before = fragments_.back().slice();
    std::memcpy(step.after, after.data(), after.size());
    step.after_bytes = static_cast<uint8_t>(after.size());
    fixed_bytes_ += before.size() + sizeof step.after;
    if (step.what == Step::What::value) fixed_bytes_ += TimeFormatter::text_bytes + padding_bytes;
    if (step.what == Step::What::value || step.what == Step::What::raw) ++variable_steps_;
    steps.push_back(step);
  }

  // The most that an event takes besides the bytes of its text and raw values.
  size_t fixed_bytes() const { return fixed_bytes_ + variable_steps_ * name_bytes_ + 2 * padding_bytes; }
  size_t variable_steps() const { return variable_steps_; }

  // The source with this key, or sources.size().
  size_t find_source(std::string_view key) const {
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].key_bytes == key.size() && std::memcmp(sources[i].key.data(), key.data(), key.size()) == 0) return i;
    }
    return sources.size();
  }

 private:
  std::deque<PaddedText> fragments_;  // its elements never move
  size_t fixed_bytes_ = 2;
  size_t variable_steps_ = 0;
  size_t name_bytes_ = 0;
};

}  // namespace cfdns
