"""Applications that reach a cluster through its endpoint: tests/endpoint in a story."""

import contextlib
import inspect
import sys
from pathlib import Path

from .cluster import Cluster
from .waits import StoryFailed, expect, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "endpoint"))

import drivers  # noqa: E402
import workloads  # noqa: E402
import checks  # noqa: E402


def endpoint_dsn(cluster, node=None):
    """One address for everything: the read-write port of the endpoint beside one node. Only words
    that every driver knows."""
    port = (node or cluster.nodes[0]).proxy_port
    return (f"host=127.0.0.1 port={port} user=app dbname=app password={cluster.password} "
            "sslmode=require")


@contextlib.contextmanager
def with_endpoint(new_cluster, nodes=3):
    """A cluster of its own whose applications may use the endpoint; None, told loudly, where the
    harness makes no clusters with one."""
    if "proxy" not in inspect.signature(Cluster.__init__).parameters:
        print("   SKIPPED: this build has no endpoint yet", flush=True)
        yield None
        return
    with new_cluster(nodes, proxy=True) as cluster:
        cluster.create()
        workloads.prepare(endpoint_dsn(cluster), *drivers.TABLE)
        yield cluster


class Applications:
    """The client programs, all running at once against the endpoint. As a context they run while
    the block does; afterwards `results` has what each was told."""

    def __init__(self, cluster, chosen, connections=2):
        self.cluster, self.dsn, self.connections = cluster, endpoint_dsn(cluster), connections
        self.chosen, self.results = chosen, {}
        self.stack = contextlib.ExitStack()
        self.running = []

    def __enter__(self):
        for driver in self.chosen:
            self.running.append(self.stack.enter_context(
                driver.start(self.dsn, 500, self.connections)))
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.results = {one.driver: one.stop() for one in self.running}
        finally:
            self.stack.close()

    def wait_rows(self, seconds=120):
        """Until every program has stored rows: each connection, after what happened before."""
        before = {}

        def moved():
            now = self.rows_by_connection()
            if not before:
                before.update(now)
            expected = self.connections * len(self.chosen)
            return len(now) >= expected and all(
                count > before.get(connection, 0) for connection, count in now.items())
        wait_until("new rows of every connection of every client", moved, seconds,
                   lambda: f"{len(self.rows_by_connection())} of "
                           f"{self.connections * len(self.chosen)} connections have stored rows; "
                           f"{[str(r.driver) for r in self.running if r.process.poll() is not None]}"
                           f" have ended; {self.cluster.brief()}")

    def rows_by_connection(self):
        lines = self.cluster.wait_leader().sql(
            "select substring(key from '^[^-]+-[0-9]+'), count(*) from endpoint_rows group by 1")
        return {line.split("|")[0]: int(line.split("|")[1]) for line in lines}

    def expect_truth(self):
        """What every program was told agrees with the leader's rows."""
        keys = self.cluster.wait_leader().sql("select key from endpoint_rows")
        for driver, result in self.results.items():
            anomalies = checks.rows(result, keys)
            expect(not anomalies, f"{driver}: {'; '.join(anomalies)}")
            expect(result["transactions"], f"{driver}: nothing was acknowledged")

    def expect_no_error(self):
        bad = {str(driver): result["errors"][:3] for driver, result in self.results.items()
               if result["errors"]}
        expect(not bad, f"clients were told errors: {bad}")

    def tell(self):
        """What the programs met, one line each."""
        for driver, result in self.results.items():
            print(f"   {driver.name:17} {result['transactions']:6} transactions, longest "
                  f"{result['longest_ms']:.0f} ms, {len(result['errors'])} errors", flush=True)


def expect_no_anomalies(running):
    """The workloads (they have been stopped) agree with what is in the database."""
    for workload in running:
        anomalies = workload.anomalies()
        if anomalies:
            raise StoryFailed(f"{type(workload).__name__}: {'; '.join(anomalies)}; errors "
                              f"{workload.errors[:5]}")
        expect(workload.acknowledged() > 0, f"{type(workload).__name__}: nothing was acknowledged; "
                                            f"{workload.errors[:5]}")
