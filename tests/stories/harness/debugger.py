"""Stops one new process of PostgreSQL before its first step, with gdb."""

import os
import re
import shutil
import signal
import subprocess
import threading

from .waits import expect, wait_until


class HeldReceiver:
    """The next walreceiver of a standby stands still right after its fork: it has no title yet and
    has read nothing. Its request, the conninfo in shared memory, was made before."""

    def __init__(self, node):
        expect(shutil.which("gdb"), "this story holds a process with gdb, which is not installed: "
                                    "apt-get install gdb")
        expect(os.geteuid() == 0, "this story traces PostgreSQL's processes: run it as root")
        self.node, self.gdb, self.pid = node, None, None
        self.said = ""

    def __enter__(self):
        # Whatever else the postmaster forks meanwhile, a backend of the agent perhaps, is let go.
        try:
            wait_until(f"a new walreceiver of {self.node} in gdb", self._catch, 120,
                       lambda: self.said[-2000:])
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        """It goes on, untraced."""
        self._end()

    def _tell(self, *commands):
        self.gdb.stdin.write("".join(command + "\n" for command in commands))
        self.gdb.stdin.flush()

    def _read(self):
        for line in self.gdb.stdout:
            self.said += line

    def _is_ready(self):
        # gdb 13 does not know the size of the registers that newer kernels of some machines tell.
        expect("Couldn't write extended state" not in self.said,
               "this gdb cannot let a process go on on this kernel; gdb 16, of Debian 13, can")
        return "READY" in self.said

    def _catch(self):
        postmaster = self.node.postmaster()
        expect(postmaster, f"no PostgreSQL on {self.node}")
        self.said = ""
        self.gdb = subprocess.Popen(
            ["gdb", "-nx", "-q"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd="/")
        threading.Thread(target=self._read, daemon=True).start()
        self._tell("set pagination off", "set confirm off", "set width 0",
                   "set follow-fork-mode child", "set detach-on-fork on",
                   "handle all nostop noprint pass", f"attach {postmaster}",
                   "break AuxiliaryProcessMain", "break PostgresMain",
                   "printf \"%s\\n\", \"READY\"", "continue",
                   "printf \"%s\\n\", \"CAUGHT\"")
        wait_until("gdb ready", self._is_ready, 30, lambda: self.said[-2000:])
        old = self.node.postgres_called("walreceiver")
        for pid in old:
            os.kill(pid, signal.SIGTERM)
        wait_until("a new process", lambda: "CAUGHT" in self.said, 30, lambda: self.said[-2000:],
                   every=0.01)
        after = self.said.split("READY", 1)[1]
        child = re.search(r"child process (\d+)", after)
        if not child or not re.search(r"hit Breakpoint \d+, .*\bAuxiliaryProcessMain\b", after):
            self._end()
            return False
        self.pid = int(child[1])
        return True

    def _end(self):
        if self.gdb:
            self._tell("detach", "quit")
            try:
                self.gdb.wait(timeout=5)
            except subprocess.TimeoutExpired:  # it still waits for a fork: not killed, or its
                self.gdb.send_signal(signal.SIGINT)  # breakpoints would stay in PostgreSQL
                self.gdb.wait(timeout=20)
            self.gdb = None
