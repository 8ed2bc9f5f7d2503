"""The wall clock of a node jumps; its monotonic clocks go on."""

from .preload import Preload

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static const volatile long long* ahead(void) {
  static const long long none = 0;
  static const volatile long long* seconds;
  if (seconds) return seconds;
  const char* path = getenv("EVG_STORY_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void* page = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
  return seconds = page == MAP_FAILED ? &none : page;
}
int clock_gettime(clockid_t id, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, now);
  if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) now->tv_sec += *ahead();
  return result;
}
int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  struct timespec precise;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return result;
}
time_t time(time_t* out) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (out) *out = precise.tv_sec;
  return precise.tv_sec;
}
"""


class WallClock(Preload):
    """For a node that is started after this; jump() works at once, in every process of it."""

    def __init__(self, node):
        super().__init__(node, "clock", SOURCE)

    def jump(self, seconds):
        """The wall clock is `seconds` ahead of the true one from now on."""
        self.obey(seconds)
