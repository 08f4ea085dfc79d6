// Ask the kernel for 2 MiB pages. A large output is fresh memory, and page faults of 4 KiB are a large part of a bulk
// conversion; most Linux systems use larger pages only on request.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace cfdns {

inline void advise_huge_pages(void* memory, size_t size_bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t page_bytes = 4096;
  // From this size on, glibc's malloc maps a block of its own and unmaps it on free, so the advice ends with the block
  // (unless the environment changes malloc's thresholds).
  constexpr size_t always_mapped_bytes = 32 * 1024 * 1024 + 65536;
  if (size_bytes < always_mapped_bytes) return;
  uintptr_t first = (reinterpret_cast<uintptr_t>(memory) + page_bytes - 1) & ~(page_bytes - 1);
  uintptr_t last = (reinterpret_cast<uintptr_t>(memory) + size_bytes) & ~(page_bytes - 1);
  // This is only advice, so an error is ignored.
  (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)size_bytes;
#endif
}

}  // namespace cfdns
