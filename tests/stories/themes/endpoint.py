"""Applications at the endpoint: real drivers, planned changes of the leader, crashes."""

import contextlib
import itertools

from harness import expect, story, wait_until
from harness.endpoint import (Applications, drivers, endpoint_dsn, expect_no_anomalies,
                              with_endpoint, workloads)

POOLED_FOR_EVER = ["sqlalchemy", "django", "pgjdbc"]


def _switchovers(new_cluster, chosen, count):
    """`count` planned switchovers while the clients write: no error and nothing lost."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None or not chosen:
            return
        with Applications(cluster, chosen) as applications:
            applications.wait_rows()
            for _ in range(count):
                cluster.switchover(cluster.standbys()[0])
                cluster.wait_healthy()
            applications.wait_rows()
        applications.tell()
        applications.expect_no_error()
        applications.expect_truth()


@story(own=True)
def ten_switchovers_under_load(new_cluster):
    """Every driver that is installed, all at once, meets ten planned switchovers without one error:
    a transaction waits for the new leader, at most for a moment."""
    _switchovers(new_cluster, drivers.available(), 10)


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
