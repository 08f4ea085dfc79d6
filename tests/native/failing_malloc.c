/* Preloaded by test_memory.py: the n-th allocation of at least `min` bytes after arm(n, min) fails, on any thread.
   Only this one fails, so that the caller can still allocate memory to report the failure. After exhaust(1), all later
   allocations fail too, until disarm(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

static long countdown; /* at most 0 if not armed, or after the failure */
static int exhausts;   /* whether all later allocations fail too */
static int exhausted;  /* whether the n-th allocation has failed */
static size_t min_bytes;

/* Whether the caller is the dynamic loader, which ends the process if it gets no memory for thread-local data. */
static int is_loader(void *caller) {
  Dl_info info;
  return dladdr(caller, &info) != 0 && info.dli_fname != NULL && strstr(info.dli_fname, "/ld-") != NULL;
}

static int fails(size_t size, void *caller) {
  if (size < min_bytes) return 0;
  if (!__atomic_load_n(&exhausted, __ATOMIC_RELAXED)) {
    if (__atomic_load_n(&countdown, __ATOMIC_RELAXED) <= 0) return 0;
    if (__atomic_sub_fetch(&countdown, 1, __ATOMIC_RELAXED) != 0) return 0;
    __atomic_store_n(&exhausted, exhausts, __ATOMIC_RELAXED);
  }
  if (is_loader(caller)) return 0;
  errno = ENOMEM;
  return 1;
}

void arm(long n, size_t min) {
  min_bytes = min;
  __atomic_store_n(&countdown, n, __ATOMIC_RELAXED);
}

void exhaust(int value) { exhausts = value; }

/* Returns the remaining count, 0 if the allocation has failed. */
long disarm(void) {
  __atomic_store_n(&exhausted, 0, __ATOMIC_RELAXED);
  long left = __atomic_exchange_n(&countdown, 0, __ATOMIC_RELAXED);
  return left > 0 ? left : 0;
}

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return fails(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *realloc(void *block, size_t size) { return fails(size, __builtin_return_address(0)) ? NULL : __libc_realloc(block, size); }
void *calloc(size_t count, size_t size) { return fails(count * size, __builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *aligned_alloc(size_t alignment, size_t size) { return fails(size, __builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void **block, size_t alignment, size_t size) {
  if (fails(size, __builtin_return_address(0))) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}
