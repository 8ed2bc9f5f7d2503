"""Policies that change while something is in the way."""

import os
import signal
import time

from harness import expect, processes, story, under_load, wait_until


def _sender_to(leader, node):
    pids = leader.sql("select pid from pg_stat_replication where application_name like "
                      f"'evg_{node.name}_%'", "postgres")
    expect(len(pids) == 1, f"walsenders of {leader} for {node}: {pids}")
    return int(pids[0])


def _without(cluster, leader, node):
    """The leader's newest policy does not have the node any more."""
    wait_until(f"a policy without {node}", lambda: (s := leader.status())
               and s["phase"] == "leading" and node.name not in s["voters"], 60, cluster.brief)


def _voter_leaves_with_its_walsender_stopped(cluster):
    with under_load(cluster) as load:
        leader, (gone, _) = cluster.leader(), cluster.standbys()
        sender = _sender_to(leader, gone)
        leader.stop_walsender(sender)
        gone.freeze()
        try:
            _without(cluster, leader, gone)
            load.wait_acks(50)
            status = leader.status()
            expect(status["unproven"] > 0, f"proven beside a stopped walsender: {cluster.brief()}")
            os.kill(sender, signal.SIGCONT)
            wait_until("the proof", lambda: (s := leader.status()) and not s["unproven"]
                       and gone.name not in s["voters"], 60, cluster.brief)
            load.wait_acks(20)
        finally:
            processes.send([sender], signal.SIGCONT)
            gone.thaw()


@story(ci=True)
def walsender_stopped_while_its_voter_leaves(cluster):
    """A walsender releases waiting commits by its own copy of the settings. One that stands still
    while its voter leaves may wake with the old ones, so the new policy is not proven before it
    is gone; commits go on all the while."""
    _voter_leaves_with_its_walsender_stopped(cluster)


@story(own=True)
def walsender_stopped_while_k_changes(new_cluster):
    """The same where commits wait for both standbys: not only the names change, but also how many
    of them a commit needs."""
    with new_cluster(nodes=3, settings={"synchronous_nodes": 2}) as cluster:
        cluster.create()
        expect(cluster.status()["k"] == 2, f"k is {cluster.status()['k']}")
        _voter_leaves_with_its_walsender_stopped(cluster)
        expect(cluster.status()["k"] == 2, f"k is {cluster.status()['k']}")


@story()
def leader_lost_beside_a_stopped_walsender(cluster):
    """As before, and the leader dies before the proof: the recorded policies are covered."""
    with under_load(cluster) as load:
        leader, (gone, _) = cluster.leader(), cluster.standbys()
        leader.stop_walsender(_sender_to(leader, gone))
        gone.freeze()
        try:
            _without(cluster, leader, gone)
            load.wait_acks(50)
            expect(leader.status()["unproven"] > 0, f"no unproven policy: {cluster.brief()}")
            leader.kill_all()
        finally:
            gone.thaw()
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        leader.start()


@story()
def walsender_stopped_while_a_voter_returns(cluster):
    """The number of voters grows again while the walsender of the one that stayed stands still:
    commits are acknowledged by those that the policy names, and nothing is lost with the leader."""
    with under_load(cluster) as load:
        leader, (gone, stays) = cluster.leader(), cluster.standbys()
        gone.kill_all()
        _without(cluster, leader, gone)
        wait_until("the proof", lambda: not leader.status()["unproven"], 60, cluster.brief)
        sender = _sender_to(leader, stays)
        leader.stop_walsender(sender)
        try:
            gone.start()
            wait_until(f"a policy with {gone}", lambda: (s := leader.status())
                       and gone.name in s["voters"], 90, cluster.brief)
            load.wait_acks(50)
            leader.kill_all()
        finally:
            processes.send([sender], signal.SIGCONT)
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        leader.start()


@story()
def a_probe_with_only_an_xid_would_prove_nothing(cluster):
    """Nobody acknowledges, and PostgreSQL itself is asked: a transaction that only has an xid
    returns at once, one with a WAL message waits. Hence the probe of the proof is the second."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        senders = leader.postgres_called("walsender evergres_replication")
        expect(len(senders) == 2, f"walsenders: {senders}")
        for sender in senders:
            leader.stop_walsender(sender)
        try:
            wait_until("commits that wait", lambda: int(leader.sql(
                "select count(*) from pg_stat_activity where wait_event = 'SyncRep'",
                "postgres")[0]) >= len(load.writers), 20)
            leader.sql("set synchronous_commit = on; select pg_current_xact_id()", "postgres", 10)
            cluster.in_background(leader.try_sql, "set synchronous_commit = on; "
                                  "select pg_logical_emit_message(true, 'story', 'probe')",
                                  "postgres", 300)
            wait_until("a message that waits", lambda: leader.sql(
                "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and "
                "query like '%''story''%'", "postgres") == ["1"], 20)
        finally:
            processes.send(senders, signal.SIGCONT)


def _restart_armed(cluster, node, step):
    node.environment["EVERGRES_TEST_CRASH_AFTER"] = step
    try:
        node.stop()
        node.start()
    finally:
        node.environment.clear()
    cluster.wait_healthy()
    if cluster.leader() is not node:
        cluster.switchover(node)
        cluster.wait_healthy()
    (node.state / "crash-once").touch()


def _dies_in_a_policy_change(cluster, leader, gone):
    """The leader's agent kills itself at the armed step of the change by which `gone` leaves; the
    rest of the leader follows before a new agent could go on."""
    supervisor = leader.supervisor()
    gone.freeze()
    armed = leader.state / "crash-once"
    wait_until("a crash in the policy change", lambda: not armed.exists(), 60, cluster.brief,
               every=0.002)
    os.kill(supervisor, signal.SIGSTOP)
    leader.kill_all()


def _unproven_and_twice(cluster, step):
    with under_load(cluster) as load:
        first = cluster.standbys()[0]
        _restart_armed(cluster, first, step)
        gone, stays = cluster.standbys()
        load.wait_acks(20)
        term = cluster.status()["term"]
        _dies_in_a_policy_change(cluster, first, gone)
        try:
            wait_until("a record in the middle of a change",
                       lambda: (stays.status() or {}).get("unproven") == 1, 20, stays.explain)
            wait_until(f"{stays} that waits for another node", lambda: "wait for more nodes"
                       in stays.explain() or "not enough nodes" in stays.explain(),
                       30, stays.explain)
            quiet_until = time.monotonic() + 4
            while time.monotonic() < quiet_until:
                expect(cluster.leader() in (None, first),
                       f"{stays} leads without covering the unproven policies: {cluster.brief()}")
                time.sleep(0.2)
        finally:
            gone.thaw()
        second = cluster.wait_leader(other_than=first, above_term=term)
        second.kill_all()
        cluster.wait_leader(other_than=second, seconds=120)
        load.wait_acks(20)
        first.start()
        second.start()


@story(ci=True)
def leader_dies_between_record_and_names_of_a_policy(cluster):
    """A voter falls silent, the leader records the smaller policy and dies before PostgreSQL hears
    of it. The one that is left must wait for the silent voter: the old policy counts too. Then the
    new leader dies as well, before it has healed anything."""
    _unproven_and_twice(cluster, "proposed")


@story()
def leader_dies_between_names_and_proof_of_a_policy(cluster):
    """As before, but commits may already have been acknowledged under the smaller policy."""
    _unproven_and_twice(cluster, "applied")


@story(own=True)
def checkpointer_late_when_a_voter_enters(new_cluster):
    """The leader was alone, its names were ''. That commits have to wait again is published by the
    checkpointer, which stands still: they are acknowledged by the leader alone although the names
    say otherwise. The policy is not proven before a probe was seen waiting, and the new voter does
    not lead when the leader dies."""
    with new_cluster(nodes=2) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (standby,) = cluster.leader(), cluster.standbys()
            standby.kill_all()
            wait_until("the leader alone", lambda: (s := leader.status())
                       and s["voters"] == [] and not s["unproven"], 60, cluster.brief)
            (checkpointer,) = leader.postgres_called("checkpointer")
            os.kill(checkpointer, signal.SIGSTOP)
            standby.start()
            wait_until("the policy with both, recorded", lambda: (s := leader.status())
                       and s["voters"] == [standby.name], 60, cluster.brief)
            wait_until("a proof given up", lambda: "not done: change_policy" in leader.log_text(),
                       60, leader.last_log_lines)
            expect(leader.status()["unproven"] > 0, f"proven without a wait: {cluster.brief()}")
            leader.kill_all()
            wait_until(f"{standby} that knows what is missing",
                       lambda: "needs " + leader.name in standby.explain(), 30, standby.explain)
            quiet_until = time.monotonic() + 5
            while time.monotonic() < quiet_until:
                expect(cluster.leader() in (None, leader), f"{standby} leads: {cluster.brief()}")
                time.sleep(0.2)
            leader.start()
            cluster.wait_leader()
            load.wait_acks(20)
