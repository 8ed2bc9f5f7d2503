"""Applications at the endpoint: real drivers, planned changes of the leader, crashes."""

import contextlib
import itertools
import multiprocessing
import socket
import threading

import psycopg2
import psycopg2.extras

from harness import expect, story, wait_until
from harness.endpoint import (Applications, drivers, endpoint_dsn, expect_no_anomalies,
                              with_endpoint, workloads)

POOLED_FOR_EVER = ["sqlalchemy", "django", "pgjdbc"]


def _switchovers(new_cluster, chosen, count, restart=False):
    """`count` planned switchovers while the clients write, and with `restart` one of the leader's
    PostgreSQL: no error and nothing lost."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None or not chosen:
            return
        with Applications(cluster, chosen) as applications:
            applications.wait_rows()
            for _ in range(count):
                cluster.switchover(cluster.standbys()[0])
                cluster.wait_healthy()
            if restart:
                leader = cluster.leader()
                done = leader.evergres("restart", leader.name, "--wait", "--force", timeout=180)
                expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
                cluster.wait_healthy()
            applications.wait_rows()
        applications.tell()
        applications.expect_no_error()
        applications.expect_truth()


@story(own=True)
def ten_switchovers_under_load(new_cluster):
    """Every driver that is installed, all at once, meets ten planned switchovers and a restart of
    the leader without one error: a transaction waits for the new leader, at most for a moment."""
    _switchovers(new_cluster, drivers.available(), 10, restart=True)


def _alone(driver):
    def ten_switchovers(new_cluster):
        _switchovers(new_cluster, drivers.available([driver]), 10)
    ten_switchovers.__name__ = f"ten_switchovers_with_{driver.name}"
    ten_switchovers.__doc__ = f"Ten planned switchovers under the writes of {driver.name}: no error."
    return story(own=True)(ten_switchovers)


for _driver in drivers.ALL:
    _alone(_driver)


@contextlib.contextmanager
def _workloads(cluster):
    """All workloads until the end of the block; then what they were told is compared with what is
    there."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(kind(endpoint_dsn(cluster, node)))
                   for kind, node in zip(workloads.ALL, itertools.cycle(cluster.nodes))]
        yield running
    expect_no_anomalies(running)
    for one in running:
        states = sorted({error.split(" ", 1)[0] for error in one.errors})
        print(f"   {type(one).__name__:10} {one.acknowledged():6} acknowledged, unknown "
              f"{100 * one.unknown_share():.2f} %, errors {states or 'none'}", flush=True)


def _wait_progress(running, count=30):
    """Until each workload has been told `count` more times that something happened."""
    goals = [(one, one.acknowledged() + count) for one in running]
    wait_until("new acknowledgements of every workload",
               lambda: all(one.acknowledged() >= goal for one, goal in goals), 90,
               lambda: [(type(one).__name__, one.acknowledged(), one.errors[-2:])
                        for one in running])


@story(ci=True, own=True)
def a_killed_leader_loses_and_doubles_nothing(new_cluster):
    """The leader's postmaster, one of its backends and then its whole node are killed under bank,
    lists, registers, a counter and echo: no acknowledged write is lost, none is executed twice,
    every verdict is true, answers come in the order of time, nobody sees another's rows."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None:
            return
        with _workloads(cluster) as running:
            for kill in ("backend", "postmaster", "node"):
                _wait_progress(running)
                old, term = cluster.wait_healthy(), cluster.status()["term"]
                if kill == "backend":
                    old.kill_backend()
                elif kill == "postmaster":
                    old.kill("postmaster")
                else:
                    old.kill_all()
                cluster.wait_leader(above_term=term)
                if kill == "node":  # the endpoint beside it died too; its clients come back to it
                    old.start()
            _wait_progress(running)
            cluster.wait_healthy()


@story(own=True)
def pools_that_never_recycle_keep_working(new_cluster):
    """SQLAlchemy with pool_pre_ping and no recycling, Django with CONN_MAX_AGE None and pgJDBC go on
    writing after a switchover and after a crash of the leader, without a restart and without one
    stuck connection."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None:
            return
        chosen = drivers.available([drivers.named(name) for name in POOLED_FOR_EVER])
        with Applications(cluster, chosen) as applications:
            applications.wait_rows()
            cluster.switchover(cluster.standbys()[0])
            applications.wait_rows()
            old, term = cluster.wait_healthy(), cluster.status()["term"]
            old.kill("postmaster")
            cluster.wait_leader(above_term=term)
            applications.wait_rows()
            cluster.wait_healthy()
        applications.tell()
        applications.expect_truth()
        for driver, result in applications.results.items():
            stuck = [error for error in result["errors"] if "stuck" in error or "25006" in error]
            expect(not stuck, f"{driver}: {stuck[:3]}")


def _answers_for_replication(dsn, **more):
    """The port of the server that a replication connection reaches; an error as text."""
    try:
        with contextlib.closing(psycopg2.connect(
                dsn, connection_factory=psycopg2.extras.PhysicalReplicationConnection,
                **more)) as connection:
            cursor = connection.cursor()
            cursor.execute("SHOW port")
            return cursor.fetchone()[0]
    except psycopg2.Error as error:
        return str(error)


def _verify_everybody(cluster):
    for node, other in zip(cluster.nodes, reversed(cluster.nodes)):
        verified = endpoint_dsn(cluster, node).replace(
            "sslmode=require", f"sslmode=verify-full sslrootcert={other.state}/tls/ca.crt")
        workloads.query(verified, "select 1")


@story(ci=True, own=True)
def replication_finds_the_leader(new_cluster):
    """A line of allow lets one user replicate through any endpoint, always from the leader. Nobody
    takes the name of a standby, and nobody else may. Each endpoint shows a certificate of the
    cluster's authority, whose own is the same on every node."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None:
            return
        leader = cluster.wait_healthy()
        _verify_everybody(cluster)
        leader.sql(f"create role wal replication login password '{cluster.password}'", "postgres")
        ways = [endpoint_dsn(cluster, node).replace("user=app", "user=wal")
                for node in cluster.nodes]
        refused = _answers_for_replication(ways[0])
        expect("no host rule lets" in refused, refused)
        line = "{address: 127.0.0.1/32, database: replication, user: wal}"
        done = leader.evergres("edit-config", "--force", "--wait", "-s", f"allow=[{line}]")
        expect(done.returncode == 0, done.stderr)
        for _ in range(2):
            leader = cluster.wait_healthy()
            for way in ways:
                wait_until(f"replication from {leader}",
                           lambda way=way: _answers_for_replication(way) == str(
                               leader.postgres_port), 60,
                           lambda way=way: _answers_for_replication(way))
            cluster.switchover(cluster.standbys()[0])
        refused = _answers_for_replication(ways[0], application_name="evg_n2_12345678_t1")
        expect("belongs to the cluster" in refused, refused)
        refused = _answers_for_replication(endpoint_dsn(cluster))
        expect("no host rule lets" in refused, refused)


class _Relay(multiprocessing.Process):
    """Leads each connection to the port that `to` says when it comes. A process: psycopg2 keeps all
    threads waiting while it cancels."""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.to = multiprocessing.Value("i", to)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                server = socket.create_connection(("127.0.0.1", self.to.value))
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass(one, other):
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                other.sendall(some)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@story(ci=True, own=True)
def a_cancel_request_finds_its_client_elsewhere(new_cluster):
    """A client is connected through one endpoint; its cancel requests reach the others."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None:
            return
        leader = cluster.wait_healthy()
        home, *others = cluster.nodes
        relay = _Relay(home.proxy_port)
        relay.start()
        dsn = endpoint_dsn(cluster).replace(f"port={home.proxy_port}", f"port={relay.port}")
        with contextlib.ExitStack() as stack:
            stack.callback(relay.kill)
            connection = stack.enter_context(contextlib.closing(psycopg2.connect(dsn)))
            connection.autocommit = True
            for other in others:
                relay.to.value = other.proxy_port
                told = []

                def sleep():
                    try:
                        connection.cursor().execute("select pg_sleep(60)")
                        told.append("slept")
                    except psycopg2.Error as error:
                        told.append(error.pgcode)
                asking = threading.Thread(target=sleep, daemon=True)
                asking.start()
                wait_until("the client sleeps", lambda: leader.sql(
                    "select 1 from pg_stat_activity where wait_event = 'PgSleep'"), 20)
                # The card of a node that has just started may not have been told everywhere yet.
                wait_until("the cancel request arrives",
                           lambda: connection.cancel() or asking.join(1) or told, 30, lambda: told)
                expect(told == ["57014"], told)
