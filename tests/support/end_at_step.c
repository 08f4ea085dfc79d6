/* Preloaded by tests of the receiver: after end_at(n), the process ends before its n-th call that changes a file or
   syncs one, as by SIGKILL; end_at(0) ends this. steps() counts these calls since end_at(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { EXIT_CODE = 77 };

static atomic_long count;
static long end;

void end_at(long step) {
  count = 0;
  end = step;
}

long steps(void) { return count; }

static void step(void) {
  if (atomic_fetch_add(&count, 1) + 1 == end) _exit(EXIT_CODE);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) {
  if (fd > 2) step();
  return REAL(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return step(), REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return step(), REAL(pwrite64)(fd, data, size, at); }
int ftruncate(int fd, off_t size) { return step(), REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return step(), REAL(ftruncate64)(fd, size); }
int truncate(const char *path, off_t size) { return step(), REAL(truncate)(path, size); }
int truncate64(const char *path, off64_t size) { return step(), REAL(truncate64)(path, size); }
int fsync(int fd) { return step(), REAL(fsync)(fd); }
int fdatasync(int fd) { return step(), REAL(fdatasync)(fd); }
int mkdir(const char *path, mode_t mode) { return step(), REAL(mkdir)(path, mode); }
int unlink(const char *path) { return step(), REAL(unlink)(path); }
int rename(const char *from, const char *to) { return step(), REAL(rename)(from, to); }
int link(const char *from, const char *to) { return step(), REAL(link)(from, to); }
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
  return step(), REAL(linkat)(from_fd, from, to_fd, to, flags);
}
