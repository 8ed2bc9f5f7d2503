"""Processes that stand still and come back: the oldest way to get two primaries."""

import os
import signal
import threading
import time

from harness import expect, story, under_load, wait_until


@story(ci=True)
def node_frozen_past_its_grant(cluster):
    """The leader's machine stands still for longer than its grant and goes on: the old primary
    acknowledges no commit that the new one lacks."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        leader.freeze()
        try:
            cluster.wait_leader(other_than=leader)
            load.wait_acks(50)
        finally:
            leader.thaw()


@story(ci=True)
def agent_frozen_past_its_grant(cluster):
    """An agent that stands still extends no grant: the supervisor stops PostgreSQL and replaces
    the agent after two grants."""
    with under_load(cluster):
        leader, term = cluster.leader(), cluster.status()["term"]
        frozen = leader.freeze_agent()
        wait_until("another agent process", lambda: leader.agent() not in (None, frozen), 60)
        cluster.wait_leader(above_term=term)


@story()
def standby_frozen(cluster):
    """A voter that stands still leaves the policy after voter_timeout; writes go on."""
    with under_load(cluster) as load:
        standby = cluster.standbys()[0]
        standby.freeze()
        try:
            wait_until("the policy without it", lambda: (s := cluster.status())
                       and standby.name not in s["voters"] and not s["unproven"], 60,
                       cluster.brief)
            load.wait_acks(50)
        finally:
            standby.thaw()


@story()
def fast_stop_with_a_frozen_standby(cluster):
    """A walsender of a frozen standby would block a fast stop for a minute; a switchover ends it
    first."""
    with under_load(cluster) as load:
        target, frozen = cluster.standbys()
        receivers = frozen.postgres_called("walreceiver")
        expect(receivers, f"no walreceiver on {frozen}")
        for pid in receivers:
            os.kill(pid, signal.SIGSTOP)
        try:
            cluster.switchover(target)
            load.wait_acks(20)
            expect(load.longest_gap() < 15, f"the switchover took {load.longest_gap():.1f} s")
        finally:
            for pid in receivers:
                if pid in frozen.postgres():
                    os.kill(pid, signal.SIGCONT)


@story()
def switchover_beside_a_frozen_node(cluster):
    """A whole standby stands still and has left the policy: a switchover to the other one waits for
    nobody."""
    with under_load(cluster) as load:
        target, frozen = cluster.standbys()
        frozen.freeze()
        try:
            wait_until("the policy without it", lambda: (s := cluster.leader().status())
                       and frozen.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
            cluster.switchover(target)
            load.wait_acks(20)
            expect(load.longest_gap() < 10, f"writes stood still for {load.longest_gap():.1f} s")
        finally:
            frozen.thaw()


@story(own=True)
def switchover_beside_a_frozen_voter(new_cluster):
    """The same while it still is a voter, with a walsender that nobody answers: the leader that
    stops is read, and covers the policy alone."""
    with new_cluster(nodes=3, settings={"voter_timeout": "60s"}) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (target, frozen) = cluster.leader(), cluster.standbys()
            frozen.freeze()
            try:
                wait_until(f"{frozen} silent", lambda: any(
                    row["name"] == frozen.name and row["state"] == "silent"
                    for row in (leader.status() or {"nodes": []})["nodes"]), 20, cluster.brief)
                cluster.switchover(target)
                load.wait_acks(20)
                expect(load.longest_gap() < 10,
                       f"writes stood still for {load.longest_gap():.1f} s")
            finally:
                frozen.thaw()


@story()
def agent_frozen_inside_a_store_transaction(cluster):
    """An agent that stands still with the store's lock held would lock everybody out for ever.
    Another agent that finds the lock kills it, its supervisor does after two grants. The leadership
    is resumed while its grant lasts, else somebody leads in another term."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        pid = leader.agent()

        def caught():
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                if not cluster.store_lock_held_by(pid):
                    continue
                os.kill(pid, signal.SIGSTOP)
                if cluster.store_lock_held_by(pid):
                    return True
                os.kill(pid, signal.SIGCONT)
            return False

        wait_until("the agent to be stopped while it holds the store's lock", caught, 60)
        wait_until("another agent process", lambda: leader.agent() not in (None, pid), 60)
        wait_until("a sentence about its end", lambda: any(
            "a frozen agent held the store's write lock" in log or "the agent has been silent" in log
            for log in (node.log_text() for node in cluster.nodes)), 20)
        cluster.wait_leader()
        load.wait_acks(100)


def _spin(cluster, leader, ended):
    """A session that only computes: it never looks at its connection."""
    leader.try_sql("do $$ begin loop perform 1; end loop; end $$", timeout=300)
    ended.set()


@story(ci=True)
def busy_backend_while_its_node_is_fenced(cluster):
    """A backend that computes survives the death of its postmaster for seconds. Fenced means that
    no process of the data directory is alive: none when PostgreSQL starts again."""
    with under_load(cluster):
        leader, ended = cluster.leader(), threading.Event()
        before = set(leader.postgres())
        cluster.in_background(_spin, cluster, leader, ended)
        backend = wait_until("the busy backend", lambda: set(leader.postgres_called(" DO")), 20)
        old = set(leader.postgres()) | before
        survived = []
        leader.kill("postmaster")

        def started_again():
            now = leader.postgres()
            started = leader.postmaster() is not None and leader.postmaster() not in old
            if started:
                survived.extend(old & set(now))
            return started

        wait_until("PostgreSQL started again", started_again, 60, every=0.005)
        expect(not survived, f"alive beside the new PostgreSQL: {survived}, busy was {backend}")
        cluster.wait_leader()
        expect(ended.wait(30), "the busy session still runs")
