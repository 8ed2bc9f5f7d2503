"""A real haproxy before a cluster, configured as for Patroni."""

import contextlib
import shutil
import socket
import subprocess

from .cluster import free_ports
from .waits import expect, wait_until

# What Patroni's documentation recommends, with faster checks so that a story need not wait.
CONFIG = """
global
    maxconn 100
    stats socket {directory}/haproxy.sock mode 600
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 1s
listen writes
    bind 127.0.0.1:{writes}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
listen reads
    bind 127.0.0.1:{reads}
    option httpchk OPTIONS /replica?lag=1MB
    http-check expect status 200
    default-server inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


class Haproxy:
    """As a context it runs; `nodes` is what a Load asks of a cluster's nodes."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        expect(self.program, "haproxy is not installed (tools/setup test)")
        self.directory = cluster.directory / "haproxy"
        (self.writes, self.reads), self.claim = free_ports(2)
        self.process = None

    def __enter__(self):
        self.directory.mkdir(exist_ok=True)
        servers = "".join(f"    server {node} 127.0.0.1:{node.postgres_port} maxconn 100 check port "
                          f"{node.http_port}\n" for node in self.cluster.nodes)
        config = self.directory / "haproxy.cfg"
        config.write_text(CONFIG.format(directory=self.directory, writes=self.writes,
                                        reads=self.reads, servers=servers))
        log = open(self.directory / "haproxy.log", "wb")
        with log:
            self.process = subprocess.Popen([self.program, "-db", "-f", str(config)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        self.process.kill()
        self.process.wait(timeout=10)
        self.claim.close()

    def dsn(self, port):
        return (f"host=127.0.0.1 port={port} user=app dbname=app password={self.cluster.password} "
                "connect_timeout=2")

    def up(self, backend):
        """The nodes that haproxy would choose for this port ("writes" or "reads")."""
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.settimeout(2)
                channel.connect(str(self.directory / "haproxy.sock"))
                channel.sendall(b"show stat\n")
                text = b""
                while part := channel.recv(65536):
                    text += part
        except OSError:
            return None
        rows = [line.split(",") for line in text.decode().splitlines()[1:] if line]
        return {self.cluster[row[1]] for row in rows
                if row[0] == backend and row[1] not in ("FRONTEND", "BACKEND")
                and row[17].startswith("UP")}

    def wait_up(self, backend, nodes, seconds=60):
        wait_until(f"{backend} at {sorted(map(str, nodes))}",
                   lambda: self.up(backend) == set(nodes), seconds,
                   lambda: f"{self.up(backend)}; {self.cluster.brief()}")
