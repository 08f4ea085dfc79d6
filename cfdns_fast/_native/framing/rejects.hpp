// RejectList: rejects in compact memory, 32 bytes each and a copy of their bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cfdns {

// In the order of errors.REJECT_CODES, which has further codes for rows of CSV.
enum class RejectCode : uint8_t { too_large = 0, utf8 = 1, depth = 2, syntax = 3, surrogate = 4, not_object = 5 };

struct Reject {
  uint64_t line = 0;  // 1-based
  uint64_t byte_offset = 0;
  uint64_t byte_length = 0;
  RejectCode code = RejectCode::syntax;
  std::string_view raw;  // a copy of the first bytes; valid until the cursor moves or the list changes
};

// A list that only grows, by chunks: a vector that doubles its capacity has three times its size in use while it moves.
class RejectList {
 public:
  static constexpr uint64_t max_byte_length = (uint64_t{1} << 56) - 1;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void add(const Reject& reject) {
    if (chunks_.empty() || is_full(chunks_.back(), reject.raw.size())) add_chunk();
    Chunk& chunk = chunks_.back();
    uint64_t length_and_code = reject.byte_length << 8 | static_cast<uint8_t>(reject.code);
    uint64_t raw_end = chunk.raw.size() + reject.raw.size();
    chunk.entries.push_back({reject.line, reject.byte_offset, length_and_code, raw_end});
    try {
      chunk.raw.append(reject.raw);
    } catch (...) {
      chunk.entries.pop_back();
      throw;
    }
    ++size_;
  }

  // Append the rejects of a part of the data, whose positions are relative to the part.
  void append(const RejectList& part, uint64_t lines_before, uint64_t bytes_before) {
    for (const Chunk& chunk : part.chunks_) {
      for (size_t i = 0; i < chunk.entries.size(); ++i) {
        Reject reject = chunk[i];
        reject.line += lines_before;
        reject.byte_offset += bytes_before;
        add(reject);
      }
    }
  }

  Reject at(size_t index) const {
    auto begins_after = [](size_t wanted, const Chunk& chunk) { return wanted < chunk.first; };
    const Chunk& chunk = *std::prev(std::upper_bound(chunks_.begin(), chunks_.end(), index, begins_after));
    return chunk[index - chunk.first];
  }

  // Free all memory.
  void clear() {
    std::vector<Chunk>().swap(chunks_);
    size_ = 0;
  }

 private:
  struct Entry {
    uint64_t line;
    uint64_t byte_offset;
    uint64_t length_and_code;  // the lowest 8 bits are the code
    uint64_t raw_end;          // end in the chunk's raw bytes
  };
  static_assert(sizeof(Entry) == 32);

  struct Chunk {
    size_t first = 0;  // the index of its first reject
    std::vector<Entry> entries;
    std::string raw;

    Reject operator[](size_t i) const {
      const Entry& entry = entries[i];
      uint64_t raw_start = i == 0 ? 0 : entries[i - 1].raw_end;
      std::string_view bytes(raw.data() + raw_start, static_cast<size_t>(entry.raw_end - raw_start));
      auto code = static_cast<RejectCode>(entry.length_and_code & 0xFF);
      return {entry.line, entry.byte_offset, entry.length_and_code >> 8, code, bytes};
    }
  };

  static constexpr size_t max_chunk_entries = 1024;
  static constexpr size_t max_chunk_bytes = 64 * 1024;  // of raw bytes, except in a chunk of one reject

  static bool is_full(const Chunk& chunk, size_t more_bytes) {
    return chunk.entries.size() == max_chunk_entries ||
           (!chunk.entries.empty() && chunk.raw.size() + more_bytes > max_chunk_bytes);
  }

  void add_chunk() {
    if (!chunks_.empty()) {
      chunks_.back().entries.shrink_to_fit();
      chunks_.back().raw.shrink_to_fit();
    }
    chunks_.emplace_back();
    chunks_.back().first = size_;
  }

  std::vector<Chunk> chunks_;
  size_t size_ = 0;
};

}  // namespace cfdns
