/* Preloaded by test_memory.py: the n-th allocation of at least `least` bytes after arm(n, least) fails, on the arming thread.
   Only that one, so that whoever meets the failure can still allocate what it needs to report it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

static __thread long countdown; /* 0: not armed */
static __thread size_t least_bytes;

static int fails(size_t size) {
  if (countdown == 0 || size < least_bytes) return 0;
  if (--countdown != 0) return 0;
  errno = ENOMEM;
  return 1;
}

void arm(long n, size_t least) {
  countdown = n;
  least_bytes = least;
}

/* What is left to count: 0 if the failure has happened. */
long disarm(void) {
  long left = countdown;
  countdown = 0;
  return left;
}

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return fails(size) ? NULL : __libc_malloc(size); }
void *realloc(void *block, size_t size) { return fails(size) ? NULL : __libc_realloc(block, size); }
void *calloc(size_t count, size_t size) { return fails(count * size) ? NULL : __libc_calloc(count, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails(size) ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void **block, size_t alignment, size_t size) {
  if (fails(size)) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}
