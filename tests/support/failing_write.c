/* Preloaded by tests of the spool: after fail(suffix, error), calls that write or sync a file whose path ends with
   `suffix` fail with errno `error`; fail(NULL, 0) ends this. writes() counts the calls on such files since fail(). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char ending[64];
static int error_number;
static int syncs_only;
static long tried;

void fail(const char *suffix, int error, int only_syncs) {
  error_number = error;
  syncs_only = only_syncs;
  tried = 0;
  strncpy(ending, suffix == NULL ? "" : suffix, sizeof ending - 1);
}

long writes(void) { return tried; }

static int fails(int descriptor, int is_sync) {
  char link[64], path[4096];
  if (ending[0] == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t size = readlink(link, path, sizeof path - 1);
  size_t wanted = strlen(ending);
  if (size < (ssize_t)wanted || strncmp(path + size - wanted, ending, wanted) != 0) return 0;
  tried++;
  if (error_number == 0 || (syncs_only && !is_sync)) return 0;
  errno = error_number;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) { return fails(fd, 0) ? -1 : REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return fails(fd, 0) ? -1 : REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return fails(fd, 0) ? -1 : REAL(pwrite64)(fd, data, size, at); }
int ftruncate(int fd, off_t size) { return fails(fd, 0) ? -1 : REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { return fails(fd, 0) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return fails(fd, 1) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd, 1) ? -1 : REAL(fdatasync)(fd); }
