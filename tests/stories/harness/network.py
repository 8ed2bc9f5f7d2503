"""A network of its own for one cluster: each node in a namespace behind a cable that can be cut."""

import contextlib
import ctypes
import os
import subprocess

from .waits import expect, wait_until

CLONE_NEWNET = 0x40000000


def _ip(*words, program="ip"):
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr.strip()}")


def _libc(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


class Network:
    """Clients come over the unix sockets, so that they reach a node that is cut off. Nothing of the
    network is left when the processes that hold the namespaces end, and they end with the story."""

    def __init__(self, nodes):
        expect(os.geteuid() == 0, "this story makes network namespaces: run it as root")
        self.nodes = nodes
        self.holders = {}

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _libc("unshare", CLONE_NEWNET)
        try:
            _ip("link", "set", "lo", "up")
            _ip("link", "add", "hub", "type", "bridge")
            _ip("link", "set", "hub", "up")
            for number, node in enumerate(self.nodes, 1):
                self._plug_in(node, f"10.213.0.{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for holder in self.holders.values():
            holder.stdin.close()
            holder.wait(timeout=10)
        _libc("setns", self.home, CLONE_NEWNET)
        os.close(self.home)

    def _plug_in(self, node, address):
        # `cat` ends when its input does: no namespace outlives the story.
        holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, cwd="/")
        self.holders[node] = holder
        ours, theirs = os.readlink("/proc/thread-self/ns/net"), f"/proc/{holder.pid}/ns/net"
        wait_until(f"a network namespace for {node}", lambda: os.readlink(theirs) != ours, 10)
        _ip("link", "add", f"port-{node}", "type", "veth", "peer", "name", "wire", "netns",
            str(holder.pid))
        _ip("link", "set", f"port-{node}", "up", "master", "hub")
        inside = ["nsenter", f"--net={theirs}", "--"]
        for words in (["addr", "add", f"{address}/24", "dev", "wire"], ["link", "set", "lo", "up"],
                      ["link", "set", "wire", "up"]):
            subprocess.run([*inside, "ip", *words], check=True)
        node.host, node.client_host, node.enter = address, node.run_directory, inside

    @contextlib.contextmanager
    def cut(self, *nodes):
        """These nodes hear no other node, and nobody hears them, while the block runs: packets
        vanish, nothing is refused."""
        for node in nodes:
            _ip("link", "set", f"port-{node}", "nomaster")
        try:
            yield
        finally:
            for node in nodes:
                _ip("link", "set", f"port-{node}", "master", "hub")

    @contextlib.contextmanager
    def deaf(self, node):
        """The node is heard and hears nobody while the block runs: a queue that takes no packet."""
        _ip("qdisc", "add", "dev", f"port-{node}", "root", "tbf", "rate", "8bit", "burst", "1",
            "limit", "1", program="tc")
        try:
            yield
        finally:
            _ip("qdisc", "del", "dev", f"port-{node}", "root", program="tc")
