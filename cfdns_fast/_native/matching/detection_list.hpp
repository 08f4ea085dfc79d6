// DetectionList: what matchers found, in compact memory: 24 bytes each and a copy of the name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "support/compiler.hpp"

namespace cfdns {

// What matched: the query name, the address that asked, or an address of the answer; in the order of results.py.
enum class DetectedField : uint8_t { name, source, answer };

struct Detection {
  uint64_t event = 0;        // the index of the event
  uint64_t byte_offset = 0;  // of the event in NDJSON
  uint32_t matcher = 0;
  uint32_t rule = 0;    // the message, the row of a table, or the index of a condition
  uint32_t detail = 0;  // the id of a message, or the metadata of a row
  uint32_t start = 0;   // in the name: of the parent domain, or of the matched part
  DetectedField field = DetectedField::name;
  std::string_view name;  // or the address
};

// A list that only grows, by chunks, as RejectList does. It keeps at most max_size detections, and counts all.
class DetectionList {
 public:
  static constexpr size_t max_size = 1'000'000;
  static constexpr size_t max_name_bytes = 1023;

  size_t size() const { return size_; }
  uint64_t found() const { return found_; }

  CFDNS_NOINLINE void add(const Detection& detection) {
    ++found_;
    if (size_ == max_size) return;
    if (chunks_.empty() || is_full(chunks_.back(), detection.name.size())) add_chunk();
    Chunk& chunk = chunks_.back();
    const uint64_t offset_and_matcher = detection.byte_offset << 16 | detection.matcher;
    const uint32_t name_end = static_cast<uint32_t>(chunk.names.size() + detection.name.size());
    const uint32_t field_and_start = static_cast<uint32_t>(detection.field) << start_bits | detection.start;
    chunk.entries.push_back({offset_and_matcher, static_cast<uint32_t>(detection.event - chunk.first_event(detection)),
                             detection.rule, detection.detail, name_end << end_shift | field_and_start});
    try {
      chunk.names.append(detection.name);
    } catch (...) {
      chunk.entries.pop_back();
      throw;
    }
    ++size_;
  }

  // Append the detections of a part, whose positions are relative to the part.
  void append(const DetectionList& part, uint64_t events_before, uint64_t bytes_before) {
    for (const Chunk& chunk : part.chunks_) {
      for (size_t i = 0; i < chunk.entries.size(); ++i) {
        Detection detection = chunk[i];
        detection.event += events_before;
        detection.byte_offset += bytes_before;
        add(detection);
      }
    }
    found_ += part.found_ - part.size_;
  }

  Detection at(size_t index) const {
    auto begins_after = [](size_t wanted, const Chunk& chunk) { return wanted < chunk.first; };
    const Chunk& chunk = *std::prev(std::upper_bound(chunks_.begin(), chunks_.end(), index, begins_after));
    return chunk[index - chunk.first];
  }

  // Free all memory.
  void clear() {
    std::vector<Chunk>().swap(chunks_);
    size_ = 0;
    found_ = 0;
  }

 private:
  static constexpr unsigned start_bits = 10, end_shift = start_bits + 2;
  static constexpr size_t max_chunk_entries = 1024;
  static constexpr size_t max_chunk_bytes = 64 * 1024;  // of names

  struct Entry {
    uint64_t offset_and_matcher;  // the lowest 16 bits are the matcher; options.py limits their number
    uint32_t event;               // after the first event of the chunk
    uint32_t rule;
    uint32_t detail;
    uint32_t name_end_and_start;  // the end in the chunk's names, 2 bits of the field, 10 bits of the start in the name
  };
  static_assert(sizeof(Entry) == 24);

  struct Chunk {
    size_t first = 0;  // the index of its first detection
    uint64_t event = 0;
    std::vector<Entry> entries;
    std::string names;

    uint64_t first_event(const Detection& detection) {
      if (entries.empty()) event = detection.event;
      return event;
    }

    Detection operator[](size_t i) const {
      const Entry& entry = entries[i];
      const size_t name_start = i == 0 ? 0 : entries[i - 1].name_end_and_start >> end_shift;
      const size_t name_end = entry.name_end_and_start >> end_shift;
      return {event + entry.event,
              entry.offset_and_matcher >> 16,
              static_cast<uint32_t>(entry.offset_and_matcher & 0xFFFF),
              entry.rule,
              entry.detail,
              entry.name_end_and_start & ((1u << start_bits) - 1),
              static_cast<DetectedField>(entry.name_end_and_start >> start_bits & 3),
              std::string_view(names.data() + name_start, name_end - name_start)};
    }
  };

  static bool is_full(const Chunk& chunk, size_t more_bytes) {
    return chunk.entries.size() == max_chunk_entries || chunk.names.size() + more_bytes > max_chunk_bytes;
  }

  void add_chunk() {
    if (!chunks_.empty()) {
      chunks_.back().entries.shrink_to_fit();
      chunks_.back().names.shrink_to_fit();
    }
    chunks_.emplace_back();
    chunks_.back().first = size_;
  }

  std::vector<Chunk> chunks_;
  size_t size_ = 0;
  uint64_t found_ = 0;
};

}  // namespace cfdns
