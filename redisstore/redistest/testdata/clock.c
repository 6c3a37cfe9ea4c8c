// A library to preload: the program that uses it sees a clock that is set by so
// many milliseconds as the file named by CLOCK_SHIFT says. Only the time of day
// is shifted, as by an operator who sets the clock; monotonic time goes on.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *shift;

__attribute__((constructor)) static void open_shift(void) {
  const char *path = getenv("CLOCK_SHIFT");
  int fd = path ? open(path, O_RDONLY) : -1;
  if (fd >= 0) {
    void *file = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    shift = file == MAP_FAILED ? 0 : file;
  }
}

static int64_t shifted(void) { return shift ? *shift : 0; }

int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, t);
  if (result == 0 && id == CLOCK_REALTIME) {
    int64_t nanos = (int64_t)t->tv_nsec + shifted() % 1000 * 1000000;
    t->tv_sec += shifted() / 1000 + (nanos >= 1000000000) - (nanos < 0);
    t->tv_nsec = (nanos + 1000000000) % 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return result;
}
