// Prefetch memory that will soon be written. The columns of a batch are dozens of write positions, more than hardware
// prefetchers follow: without this, Arrow in bulk took 7 % longer (2026-11-30, Zen 4).
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace cfdns {

// Prefetch the cache line 256 bytes after `at`; the address need not be valid.
inline void prefetch(const char* at) {
  constexpr size_t distance_bytes = 256;
  const char* address = reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(at) + distance_bytes);
#if defined(_MSC_VER) && !defined(__clang__)
#ifdef _M_X64
  _mm_prefetch(address, _MM_HINT_T0);
#else
  (void)address;
#endif
#else
  __builtin_prefetch(address);
#endif
}

}  // namespace cfdns
