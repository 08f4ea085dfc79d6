// Checks of what Python passes to a plan. They throw std::invalid_argument, which becomes ValueError.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace cfdns {

// Convert a number from Python to an enum that has the values 0 to `last`.
template <class Enum>
Enum checked_enum(int value, Enum last) {
  if (value < 0 || value > static_cast<int>(last)) throw std::invalid_argument("unknown value of an enum");
  return static_cast<Enum>(value);
}

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
