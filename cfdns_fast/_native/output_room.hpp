// How much room a batch's output will probably need.
#pragma once

#include <atomic>
#include <cstddef>

namespace cfdns {

// How much output to make room for, learned from the batches before.
//
// Memory that the C library has just got back is warm, and asked for again as it is. It is not if every request is larger
// than what then comes back, and its pages are zeroed anew each time: a third of the whole time of 1,000-record batches.
class OutputRoom {
 public:
  // `spare`: room besides that. `ratio`: of output to 64 KiB of input, before anything is known.
  explicit OutputRoom(size_t spare, size_t ratio) : spare_(spare), ratio_(ratio) {}

  size_t capacity(size_t input_bytes) const {
    return spare_ + input_bytes / unit_bytes * ratio_ + input_bytes % unit_bytes * ratio_ / unit_bytes;
  }

  // Call with what a whole batch took.
  void learn(size_t input_bytes, size_t output) {
    if (input_bytes < unit_bytes) return;
    size_t ratio = output / input_bytes * unit_bytes + output % input_bytes * unit_bytes / input_bytes;
    size_t wanted = ratio + ratio / 32 + 1;
    ratio_.store(wanted < most_ratio ? wanted : most_ratio, std::memory_order_relaxed);
  }

  // Whether so much of a block is used that the rest had better stay with it.
  static bool is_full(size_t capacity_bytes, size_t used_bytes) {
    return capacity_bytes - used_bytes <= used_bytes / 8;
  }

  static constexpr size_t unit_bytes = 65536;

 private:
  // Records of nothing become far more, and the next ones need not.
  static constexpr size_t most_ratio = 16 * unit_bytes;
  const size_t spare_;
  std::atomic<size_t> ratio_;
};

}  // namespace cfdns
