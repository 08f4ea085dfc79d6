// A check of what Python passes. It throws std::invalid_argument, which becomes ValueError.
#pragma once

#include <stdexcept>

namespace cfdns {

// Convert a number from Python to an enum that has the values 0 to `last`.
template <class Enum>
Enum checked_enum(int value, Enum last) {
  if (value < 0 || value > static_cast<int>(last)) throw std::invalid_argument("unknown value of an enum");
  return static_cast<Enum>(value);
}

}  // namespace cfdns
