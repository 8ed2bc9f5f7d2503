"""Which processes belong to a node, read from /proc, and signals to them."""

import os
import re
import signal


class Process:
    def __init__(self, pid, ppid, state, argv, cwd):
        self.pid, self.ppid, self.state, self.argv, self.cwd = pid, ppid, state, argv, cwd

    def __repr__(self):
        return f"{self.pid} {' '.join(self.argv)[:60]}"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def living():
    """All processes that are not zombies."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            after_name = _read(f"/proc/{entry}/stat").rsplit(b")", 1)[1].split()
            state, ppid = after_name[0].decode(), int(after_name[1])
            if state in "ZX":
                continue
            argv = _read(f"/proc/{entry}/cmdline").decode(errors="replace").split("\0")
            argv = [word for word in argv if word]
        except (OSError, IndexError):
            continue
        try:
            cwd = os.readlink(f"/proc/{entry}/cwd")
        except OSError:
            cwd = ""
        found[int(entry)] = Process(int(entry), ppid, state, argv, cwd)
    return found


def below(directory):
    """The processes that work in `directory` or name it in their arguments, keyed by pid. Every
    PostgreSQL process works in its data directory, every evergres process names its node.yaml."""
    mine = os.getpid()
    inside = str(directory) + "/"
    return {pid: process for pid, process in living().items()
            if pid != mine and ((process.cwd + "/").startswith(inside)
                                or any(inside in word for word in process.argv))}


def shared_memory(pids):
    """The files of shared memory that these processes have mapped."""
    names = set()
    for pid in pids:
        try:
            text = _read(f"/proc/{pid}/maps").decode(errors="replace")
        except OSError:
            continue
        names |= set(re.findall(r"/dev/shm/PostgreSQL\.\d+", text))
    return names


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def stop_all(scan):
    """SIGSTOP to everything that scan() finds, until a scan finds nothing that runs."""
    stopped = set()
    while True:
        fresh = set(scan()) - stopped
        if not fresh:
            return stopped
        send(fresh, signal.SIGSTOP)
        stopped |= fresh


def kill_at_once(scan):
    """All processes stop first, so that none sees another one die; then all are killed."""
    send(stop_all(scan), signal.SIGKILL)
