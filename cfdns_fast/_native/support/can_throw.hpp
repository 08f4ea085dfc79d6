// Make sure that a thread can throw when no memory is left.
#pragma once

#include <cstdlib>
#include <exception>

namespace cfdns {

// Prepare the thread for throwing; false if there is no memory for that, and then it must not throw. glibc allocates
// the state of a thread's exceptions on first use, and ends the process if it cannot.
inline bool can_throw() noexcept {
  constexpr size_t probe_bytes = 1024;
  // Volatile keeps the compiler from removing an allocation that is never used.
  void* volatile probe = std::malloc(probe_bytes);
  if (probe == nullptr) return false;
  std::free(probe);
  [[maybe_unused]] volatile int count = std::uncaught_exceptions();
  return true;
}

}  // namespace cfdns
