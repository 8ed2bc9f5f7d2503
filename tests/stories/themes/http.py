"""What load balancers and probes are told over HTTP."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import psycopg2

from harness import Haproxy, Load, expect, story, under_load, wait_until

LEADER_PATHS = ["/", "/primary", "/read-write", "/leader"]


def _codes(node, *paths):
    return [node.http(path)[0] for path in paths]


@story(ci=True)
def health_of_each_node(cluster):
    """The leader answers 200 to the questions for the primary, the others to those for a replica,
    nobody to both; documents and metrics say the same."""
    leader = cluster.leader()
    for node in cluster.nodes:
        leads = node is leader
        wanted = [200 if leads else 503] * len(LEADER_PATHS)
        wait_until(f"the answers of {node}", lambda: _codes(node, *LEADER_PATHS) == wanted, 20,
                   lambda: _codes(node, *LEADER_PATHS))
        replica = ["/replica", "/replica?lag=10MB&replication_state=streaming", "/quorum"]
        wanted = [503 if leads else 200] * len(replica)
        wait_until(f"the answers of {node}", lambda: _codes(node, *replica) == wanted, 20,
                   lambda: _codes(node, *replica))
        both = ["/read-only", "/health", "/liveness", "/readiness", "/read-only-quorum"]
        wait_until(f"the answers of {node}", lambda: _codes(node, *both) == [200] * len(both), 20,
                   lambda: _codes(node, *both))
        neither = ["/standby-leader", "/replica?tag_zone=a", "/nowhere", "/replica?lag=much"]
        expect(_codes(node, *neither) == [503, 503, 404, 400], f"{node}: {_codes(node, *neither)}")
        for method in ("HEAD", "OPTIONS"):
            expect(node.http("/primary", method) == (200 if leads else 503, ""), method)
        expect(node.http("/switchover", "POST")[0] == 401, "POST is not refused")
        own = json.loads(node.http("/patroni")[1])
        expect(own["role"] == ("primary" if leads else "replica") and own["state"] == "running",
               f"{node} says {own}")
        members = json.loads(node.http("/cluster")[1])["members"]
        expect([m["name"] for m in members if m["role"] == "leader"] == [leader.name], members)
        expect(all(str(cluster[m["name"]].http_port) in m.get("api_url", "") for m in members),
               f"no api_url in {members}")
        metrics = node.http("/metrics")[1]
        expect(re.search(rf"^patroni_primary{{.*}} {int(leads)}$", metrics, re.M), metrics)
    # It is read once a second.
    wait_until(f"a history that ends with {leader}",
               lambda: [row[4] for row in json.loads(leader.http("/history")[1])][-1:]
               == [leader.name], 20, lambda: leader.http("/history"))


@story()
def promtool_agrees(cluster):
    """Prometheus' own checker finds nothing wrong with /metrics of a leader that was elected and of
    a standby. Skipped, and says so, where promtool is not installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        print("   SKIPPED: promtool is not installed (package prometheus)")
        return
    cluster.switchover(cluster.standbys()[0])
    cluster.wait_healthy()
    for node in cluster.nodes:
        page = node.http("/metrics")[1]
        expect("evergres_operations_total" in page and "evergres_decisions_total" in page, page)
        done = subprocess.run([promtool, "check", "metrics"], input=page, text=True, timeout=60,
                              capture_output=True, check=False)
        expect(done.returncode == 0 and not done.stdout + done.stderr,
               f"{node}: {done.stdout}{done.stderr}")


class _Watcher(threading.Thread):
    """Asks every node for /primary as fast as it can and remembers who said yes, and when."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes, self.ended, self.yes = nodes, threading.Event(), []

    def run(self):
        while not self.ended.is_set():
            for node in self.nodes:
                asked = time.monotonic()
                if node.http("/primary", "OPTIONS", 0.3)[0] == 200:
                    self.yes.append((asked, time.monotonic(), node))
            self.ended.wait(0.01)

    def nodes_since(self, instant):
        return {node for asked, _, node in list(self.yes) if asked >= instant}


@story()
def frozen_leader_is_no_primary(cluster):
    """A frozen leader answers nothing. Thawed after another one leads, its first answer is no:
    its grant has run out, whatever it still believes."""
    with under_load(cluster) as load:
        old = cluster.leader()
        old.freeze()
        try:
            expect(old.http("/primary", seconds=1) == (None, ""), "a frozen node answered")
            new = cluster.wait_leader(other_than=old)
            wait_until(f"{new} saying so", lambda: new.http("/primary")[0] == 200, 20)
            watcher = _Watcher([old])
            watcher.start()
        finally:
            old.thaw()
        wait_until(f"an answer of {old}", lambda: old.http("/primary")[0] == 503, 60)
        load.wait_acks(20)
        cluster.wait_healthy()
        wait_until(f"{old} as a replica", lambda: old.http("/replica")[0] == 200, 60)
        watcher.ended.set()
        watcher.join(timeout=10)
        expect(not watcher.yes, f"{old} said {len(watcher.yes)} times that it is the primary")


@story(own=True)
def http_port_taken(new_cluster):
    """Somebody else listens on the HTTP port: the node refuses to start and names the port. If the
    port is lost later, the agent goes on and takes it again when it is free."""
    with new_cluster(nodes=1) as cluster:
        (node,) = cluster.nodes
        node.write_config()
        done = node.evergres("init", timeout=60)
        expect(done.returncode == 0, f"init: {done.stderr}")
        with _listening(node.http_port):
            node.start()
            expect(node.popen.wait(timeout=60) != 0, "it started without its HTTP port")
            expect(f"port {node.http_port}" in node.last_log_lines(60)
                   and "HTTP" in node.last_log_lines(60), node.last_log_lines(60))
        node.start()
        cluster.wait_healthy()
        agent = node.freeze_agent()
        with _listening_when_free(node.http_port, lambda: os.kill(agent, signal.SIGKILL)):
            wait_until("the new agent's answer", lambda: node.agent() != agent and node.status(),
                       30)
            wait_until("a sentence about the port", lambda: "could not listen for HTTP"
                       in node.log_text(), 30)
            cluster.wait_healthy()
        wait_until("an answer over HTTP", lambda: node.http("/primary")[0] == 200, 30)


@contextlib.contextmanager
def _listening(port):
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        yield


@contextlib.contextmanager
def _listening_when_free(port, free):
    """Waits for the port in the very moment in which its owner dies: nobody is quicker."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free()

        def bound():
            try:
                squatter.bind(("127.0.0.1", port))
                return True
            except OSError:
                return False
        wait_until(f"port {port}", bound, 10, every=0.001)
        squatter.listen()
        yield


class _ThroughProxy:
    """The cluster as a client of haproxy sees it: one address."""

    def __init__(self, cluster, proxy):
        self.cluster, self.proxy = cluster, proxy

    def __getattr__(self, name):
        return getattr(self.cluster, name)

    def dsn(self, _nodes=None, **_extra):
        return self.proxy.dsn(self.proxy.writes)


def _readers(proxy):
    with contextlib.closing(psycopg2.connect(proxy.dsn(proxy.reads))) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select pg_is_in_recovery()")
            return cursor.fetchone()[0]


@story(ci=True)
def haproxy_follows_a_failover(cluster):
    """A configuration of haproxy made for Patroni: after the leader is lost its clients write
    again through the same address, nothing acknowledged is lost, readers are led to replicas."""
    with Haproxy(cluster) as proxy:
        old = cluster.leader()
        proxy.wait_up("writes", [old])
        proxy.wait_up("reads", [node for node in cluster.nodes if node is not old])
        load = Load(_ThroughProxy(cluster, proxy))
        watcher = _Watcher(cluster.nodes)
        watcher.start()
        try:
            load.wait_acks(50)
            old.kill_all()
            new = cluster.wait_leader(other_than=old)
            load.wait_acks(50)
            proxy.wait_up("writes", [new])
            expect(load.longest_gap() < 20, f"writes stood still for {load.longest_gap():.1f} s")
            proxy.wait_up("reads", [n for n in cluster.nodes if n not in (old, new)])
            expect(_readers(proxy), "a reader was led to the primary")
            old.start()
            cluster.wait_healthy()
            proxy.wait_up("reads", [node for node in cluster.nodes if node is not new])
            cluster.switchover(old)
            load.wait_acks(50)
            proxy.wait_up("writes", [old])
            cluster.wait_healthy()
        finally:
            watcher.ended.set()
            watcher.join(timeout=10)
            load.stop()
        load.assert_nothing_lost()
        _expect_one_at_a_time(watcher.yes)


def _expect_one_at_a_time(yes):
    """Nobody said yes in a request that began after another one's yes to a later question."""
    changes = [(a, b) for a, b in zip(yes, yes[1:]) if a[2] is not b[2]]
    expect(len(changes) == 2, f"/primary moved {len(changes)} times: "
                              f"{[(str(a[2]), str(b[2])) for a, b in changes]}")
