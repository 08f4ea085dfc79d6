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
  // `spare`: room besides that. `ratio`: of output to 64 KiB of input, before anything is known. `most_ratio`: records of
  // nothing become far more, and the next ones need not.
  OutputRoom(size_t spare, size_t ratio, size_t most_ratio) : spare_(spare), most_ratio_(most_ratio), ratio_(ratio) {}

  size_t capacity(size_t input_bytes) const {
    return spare_ + input_bytes / unit_bytes * ratio_ + input_bytes % unit_bytes * ratio_ / unit_bytes;
  }

  // Call with what a whole batch took.
  void learn(size_t input_bytes, size_t output) {
    if (input_bytes < unit_bytes) return;
    size_t ratio = output / input_bytes * unit_bytes + output % input_bytes * unit_bytes / input_bytes;
    size_t wanted = ratio + ratio / 32 + 1;
    ratio_.store(wanted < most_ratio_ ? wanted : most_ratio_, std::memory_order_relaxed);
  }

  // Whether so much of a block is used that the rest had better stay with it.
  static bool is_full(size_t capacity_bytes, size_t used_bytes) {
    return capacity_bytes - used_bytes <= used_bytes / 8;
  }

  static constexpr size_t unit_bytes = 65536;

 private:
  const size_t spare_;
  const size_t most_ratio_;
  std::atomic<size_t> ratio_;
};

}  // namespace cfdns
