"""Disks that are full or slow."""

import contextlib
import os
import subprocess

from .cluster import own
from .preload import Preload
from .waits import expect


@contextlib.contextmanager
def small_disk(node, megabytes=260, what="data"):
    """The node's data directory, or its "state", is on a file system of its own, which a file can
    fill."""
    expect(os.geteuid() == 0, "this story mounts a small file system: run it as root")
    disk = node.directory / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none",
                           str(disk)], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"mount: {done.stderr.strip()}")
    try:
        own(disk)
        setattr(node, what, disk / what)
        yield disk
    finally:
        node.kill_all()
        # Not ours to wait for: the processes are dead, their last files may still be open.
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk):
    filler = disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with contextlib.suppress(OSError), open(filler, "ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def no_space(node):
    return "No space left on device" in node.server_log()


SLOW_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
static void wait_for_the_disk(void) {
  static const long long none = 0;
  static const volatile long long* millis;
  if (!millis) {
    const char* path = getenv("EVG_STORY_FSYNC");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void* page = fd < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    millis = page == MAP_FAILED ? &none : page;
    if (fd >= 0) close(fd);
  }
  for (long long left = *millis; left > 0; left -= 10) usleep(10000);
}
int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  wait_for_the_disk();
  return real(fd);
}
int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  wait_for_the_disk();
  return real(fd);
}
"""


class SlowFsync(Preload):
    """For a node that is started after this: each fsync of PostgreSQL and of Evergres takes so much
    longer."""

    def __init__(self, node):
        super().__init__(node, "fsync", SLOW_FSYNC)

    @contextlib.contextmanager
    def of(self, milliseconds):
        self.obey(milliseconds)
        try:
            yield
        finally:
            self.obey(0)
