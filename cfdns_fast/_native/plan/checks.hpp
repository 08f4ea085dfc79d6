// Checks of what Python passes to a plan. They throw std::invalid_argument, which becomes ValueError.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "support/checked_enum.hpp"

namespace cfdns {

// Slots and tables are stored in 16 bits.
inline uint16_t narrow_index(size_t index) {
  if (index >= UINT16_MAX) throw std::invalid_argument("a plan has too many slots or tables");
  return static_cast<uint16_t>(index);
}

// Follows the objects that steps open, so that writers need no checks: throws if they nest too deep or do not match.
class StepDepth {
 public:
  static constexpr unsigned max_depth = 32;

  void open() {
    if (++depth_ > max_depth) throw std::invalid_argument("steps open too many objects");
  }

  void close() {
    if (depth_-- == 0) throw std::invalid_argument("a step closes an object that is not open");
  }

 private:
  unsigned depth_ = 0;
};

}  // namespace cfdns
