// Make sure that a thread can throw where no memory is left.
#pragma once

#include <cstdlib>
#include <exception>

namespace cfdns {

// The C++ library keeps a few bytes for each thread that throws. glibc allocates them when the thread needs them for the first
// time, and ends the process if it cannot. So each thread needs them here, before it runs out of memory, and only after
// an allocation of more than that has succeeded. Returns false if it has not: then the thread must not throw.
inline bool can_throw() noexcept {
  constexpr size_t probe_bytes = 1024;
  // Volatile, because compilers remove calls whose result nothing uses.
  void* volatile probe = std::malloc(probe_bytes);
  if (probe == nullptr) return false;
  std::free(probe);
  [[maybe_unused]] volatile int count = std::uncaught_exceptions();
  return true;
}

}  // namespace cfdns
