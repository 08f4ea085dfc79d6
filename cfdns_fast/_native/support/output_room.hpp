// OutputRoom: an estimate of the memory that the output of a batch needs.
#pragma once

#include <atomic>
#include <cstddef>

namespace cfdns {

// The estimate is learned from earlier batches. Memory of the size that was freed last is still mapped and warm, but a
// larger request makes the C library map and zero new pages for every batch.
class OutputRoom {
 public:
  // `spare`: bytes that are always added. `ratio`: the first guess of output for each 64 KiB of input. `max_ratio`:
  // limit of what is learned, because records of a few bytes grow far more than others.
  OutputRoom(size_t spare, size_t ratio, size_t max_ratio) : spare_(spare), max_ratio_(max_ratio), ratio_(ratio) {}

  size_t capacity(size_t input_bytes) const {
    return spare_ + input_bytes / unit_bytes * ratio_ + input_bytes % unit_bytes * ratio_ / unit_bytes;
  }

  // Call with the sizes of a whole batch.
  void learn(size_t input_bytes, size_t output) {
    if (input_bytes < unit_bytes) return;
    size_t ratio = output / input_bytes * unit_bytes + output % input_bytes * unit_bytes / input_bytes;
    size_t wanted = ratio + ratio / 32 + 1;
    ratio_.store(wanted < max_ratio_ ? wanted : max_ratio_, std::memory_order_relaxed);
  }

  // Whether at most a ninth of the block is unused, so that shrinking it is not worth a copy.
  static bool is_full(size_t capacity_bytes, size_t used_bytes) {
    return capacity_bytes - used_bytes <= used_bytes / 8;
  }

  static constexpr size_t unit_bytes = 65536;

 private:
  const size_t spare_;
  const size_t max_ratio_;
  std::atomic<size_t> ratio_;
};

}  // namespace cfdns
