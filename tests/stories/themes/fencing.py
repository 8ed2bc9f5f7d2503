"""Positions are read after old WAL can no longer arrive, also where replay stands still."""

import os
import re
import signal

from harness import HeldReceiver, expect, processes, story, under_load, wait_until


@story(ci=True)
def leader_lost_while_replay_is_paused(cluster):
    """A standby whose replay is paused ignores new settings and cannot reach its end of WAL by
    replay; it is fenced, read and led all the same."""
    with under_load(cluster) as load:
        leader, standbys = cluster.leader(), cluster.standbys()
        for standby in standbys:
            standby.sql("select pg_wal_replay_pause()", "postgres")
        load.wait_acks(50)
        leader.kill_all()
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        leader.start()
        for standby in standbys:
            standby.try_sql("select pg_wal_replay_resume()", "postgres")


@story()
def leader_lost_while_replay_is_delayed(cluster):
    """recovery_min_apply_delay keeps acknowledged commits unapplied; they count all the same."""
    with under_load(cluster) as load:
        leader, standbys = cluster.leader(), cluster.standbys()
        for standby in standbys:
            standby.sql("alter system set recovery_min_apply_delay = '10min'", "postgres")
            standby.sql("select pg_reload_conf()", "postgres")
        wait_until("the delay in force on a standby", lambda: any(
            s.sql("show recovery_min_apply_delay", "postgres") == ["10min"] for s in standbys), 5)
        try:
            load.wait_acks(50)
            leader.kill_all()
            cluster.wait_leader(other_than=leader)
            load.wait_acks(20)
            leader.start()
        finally:
            for standby in standbys:
                standby.try_sql("alter system reset recovery_min_apply_delay", "postgres")
                standby.try_sql("select pg_reload_conf()", "postgres")


@story()
def two_promotions_never_share_a_timeline(cluster):
    """A standby is promoted by hand while its agent stands still, then the leader dies: the new
    leader's timeline is one that nobody has used."""
    with under_load(cluster) as load:
        leader, (rogue, _) = cluster.leader(), cluster.standbys()
        frozen = rogue.freeze_agent()
        rogue.try_sql("select pg_promote(false)", "postgres")
        wait_until("the promotion by hand", lambda: rogue.postmaster() is None or (
            (a := rogue.try_sql("select pg_is_in_recovery()", "postgres", 5))
            and a.stdout.strip() == "f"), 30)
        leader.kill_all()
        wait_until("another agent", lambda: rogue.agent() not in (None, frozen), 60)
        new = cluster.wait_leader(other_than=leader, seconds=120)
        load.wait_acks(20)
        leader.start()
        cluster.wait_healthy(180)
        own = [name[:8] for name in new.sql("select pg_walfile_name(pg_current_wal_lsn())",
                                            "postgres")]
        timelines = [entry["timeline"] for entry in cluster.history()]
        expect(len(timelines) == len(set(timelines)), f"a timeline twice: {timelines}")
        expect(int(own[0], 16) == max(timelines), f"{new} is on {own}, history says {timelines}")


@story()
def dead_agent_on_a_voter_during_failover(cluster):
    """A voter whose agent is stopped cannot be fenced at first; the failover waits for it or goes
    without it, but never loses what it acknowledged."""
    with under_load(cluster) as load:
        leader, (silent, _) = cluster.leader(), cluster.standbys()
        pid = silent.freeze_agent()
        load.wait_acks(20)
        leader.kill("postmaster")
        cluster.wait_leader(seconds=120)
        load.wait_acks(20)
        processes.send([pid], signal.SIGCONT)


def _released_late(new_cluster, released):
    """A walreceiver of one standby was forked for the old leader and stands still before its first
    step when the control plane of the leader freezes, so that nobody can stop the old primary.
    released(late, other, receiver) lets it go; the old leader must never see it."""
    with new_cluster(nodes=3, settings={"voter_timeout": "30s"}) as cluster:
        for node in cluster.nodes:
            node.environment["EVERGRES_TEST_CRASH_AFTER"] = "fence"
        cluster.create()
        with under_load(cluster) as load:
            leader, (late, other) = cluster.leader(), cluster.standbys()
            with HeldReceiver(late) as receiver:
                expect(not late.postgres_called("walreceiver"), "a receiver with a title")
                began = leader.sql("select now()", "postgres")[0]
                frozen = leader.freeze_control_plane()
                released(late, other, receiver)
            new = wait_until("a new leader", lambda: (s := other.status())
                             and s["phase"] == "leading" and s["leader"] != leader.name
                             and cluster[s["leader"]], 120, other.explain)
            load.wait_acks(50)
            attached = leader.sql("select application_name, backend_start from pg_stat_replication "
                                  f"where backend_start >= '{began}'", "postgres")
            expect(not attached, f"attached to the old leader after the fence: {attached}")
            expect(leader.sql("select pg_is_in_recovery()", "postgres") == ["f"] and
                   new is not leader, f"{leader} is no primary any more: nothing is proven")
            processes.send(frozen, signal.SIGCONT)


@story(own=True)
def late_receiver_after_the_fence(new_cluster):
    """A walreceiver that was forked before the fence, and takes its first step when the fence has
    answered, finds no upstream: the address is in the service file, not in its request."""
    def while_nobody_is_chosen(late, other, receiver):
        armed, supervisor = other.state / "crash-once", other.supervisor()
        armed.touch()
        wait_until(f"{other} dead after its fence", lambda: not armed.exists(), 60, late.explain,
                   every=0.002)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            wait_until(f"the answer of {late}", lambda: f"fenced: {late} at" in late.explain(), 30,
                       late.explain)
            expect(receiver.pid in late.postgres(), "the held process is gone")
            expect("host=" not in (late.state / "upstream.conf").read_text(), "not fenced")
            receiver.release()
            wait_until("the end of the late receiver",
                       lambda: receiver.pid not in late.postgres(), 30)
            expect(re.search(rf"\[{receiver.pid}\] FATAL: .*service \"evergres\" not found",
                             late.server_log()), f"{receiver.pid} did not look for its upstream")
        finally:
            os.kill(supervisor, signal.SIGCONT)

    _released_late(new_cluster, while_nobody_is_chosen)


@story(own=True)
def late_receiver_after_the_choice(new_cluster):
    """The same, released when its node follows another leader already: it goes there, although its
    request was made for the old one."""
    def when_another_is_followed(late, other, receiver):
        old = (late.state / "upstream.conf").read_text()
        wait_until("another upstream", lambda: "host=" in (
            now := (late.state / "upstream.conf").read_text()) and now != old, 60, other.explain)
        expect(receiver.pid in late.postgres(), "the held process is gone")
        receiver.release()
        wait_until("the first words of the late receiver",
                   lambda: f"[{receiver.pid}]" in late.server_log(), 60)

    _released_late(new_cluster, when_another_is_followed)


@story()
def a_held_receiver_without_a_fence(cluster):
    """The harness itself: let go without a fence, the same receiver attaches to its leader, so that
    the stories above prove that the fence kept theirs away."""
    with under_load(cluster):
        standby = cluster.standbys()[0]
        with HeldReceiver(standby) as receiver:
            expect(receiver.pid not in standby.postgres_called("walreceiver"), "it has a title")
        wait_until("the receiver streaming", lambda: receiver.pid in standby.postgres_called(
            "walreceiver streaming"), 30, lambda: standby.postgres_called("walreceiver"))


@story()
def receiver_that_does_not_end(cluster):
    """A walreceiver that stands still cannot be ended by SIGTERM. Its node is fenced all the same,
    by stop and start, and the failover that needs it goes on."""
    with under_load(cluster) as load:
        leader, (stuck, _) = cluster.leader(), cluster.standbys()
        (receiver,) = stuck.postgres_called("walreceiver")
        os.kill(receiver, signal.SIGSTOP)
        leader.kill_all()
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        expect(receiver not in stuck.postgres(), "the old receiver still stands there")
        leader.start()


def _restartpoint_in_progress(node, load, checkpointers):
    """Stops the checkpointer of a standby in the middle of a restartpoint."""
    log, (pid,) = node.server_log, node.postgres_called("checkpointer")

    def caught():
        started, completed = log().count("restartpoint starting"), log().count("restartpoint compl")
        load.wait_acks(50)
        load.cluster.leader().sql("checkpoint", "postgres", timeout=60)
        end = load.cluster.leader().sql("select pg_current_wal_flush_lsn()", "postgres")[0]
        wait_until("the replay of a checkpoint", lambda: node.sql(
            f"select pg_last_wal_replay_lsn() >= '{end}'::pg_lsn", "postgres") == ["t"], 30)
        asked = load.cluster.in_background(node.try_sql, "checkpoint", "postgres", 300)
        wait_until("a restartpoint", lambda: log().count("restartpoint starting") > started, 30,
                   every=0.001)
        os.kill(pid, signal.SIGSTOP)
        if log().count("restartpoint compl") == completed:
            return True
        os.kill(pid, signal.SIGCONT)
        asked.join(30)
        return False

    checkpointers.append(pid)
    wait_until(f"a restartpoint of {node} to be stopped in the middle", caught, 120)


@story()
def promotion_during_a_restartpoint(cluster):
    """Both standbys are in the middle of a restartpoint when one of them is promoted. It ends on
    the primary; the control file and the WAL that it leaves are good for a crash right after."""
    checkpointers = []
    with under_load(cluster) as load:
        leader, standbys = cluster.leader(), cluster.standbys()
        leader.sql("create table if not exists ballast as select g, repeat('x', 500) "
                   "from generate_series(1, 20000) g", "postgres", timeout=120)
        try:
            for standby in standbys:
                leader.sql("update ballast set g = g + 1", "postgres", timeout=120)
                _restartpoint_in_progress(standby, load, checkpointers)
            leader.kill_all()
            new = cluster.wait_leader(other_than=leader)
            load.wait_acks(50)
        finally:
            processes.send(checkpointers, signal.SIGCONT)
        wait_until("the end of the restartpoint", lambda: re.search(
            r"(restartpoint|checkpoint) complete", new.server_log().rsplit("starting", 1)[-1]), 60)
        leader.start()
        cluster.wait_healthy()
        term = cluster.status()["term"]
        new.kill("postmaster")
        cluster.wait_leader(above_term=term)
        load.wait_acks(20)
    cluster.leader().sql("drop table ballast", "postgres")


def _block_replay(cluster, load, node):
    """A session that reads a table on a standby and stands still, so that it cannot be ended, and
    a lock on this table that replay waits for."""
    leader = cluster.leader()
    cluster.in_background(node.try_sql, f"begin; select count(*) from blocker_{node}; "
                          "select pg_sleep(3600)", "postgres", 3600)
    reader = wait_until(f"a reader on {node}", lambda: (a := node.try_sql(
        "select pid from pg_stat_activity where query like '%pg_sleep(3600)%' and "
        "wait_event = 'PgSleep' and pid <> pg_backend_pid()", "postgres", 5))
        and a.stdout.strip(), 30)
    os.kill(int(reader), signal.SIGSTOP)
    leader.sql(f"alter table blocker_{node} add column more int", "postgres")
    wait_until(f"replay that waits on {node}", lambda: node.sql(
        "select count(*) from pg_stat_activity where backend_type = 'startup' and "
        "(wait_event_type = 'Lock' or wait_event like 'RecoveryConflict%')", "postgres") == ["1"],
        30)
    load.wait_acks(100)  # the backlog
    return int(reader)


def _promotion_that_waits(new_cluster, then):
    """A leader is chosen whose replay stands still before a backlog, so that its promotion waits;
    then(cluster, chosen) breaks it off."""
    with new_cluster(nodes=3) as cluster:
        for node in cluster.nodes:
            node.parameters["max_standby_streaming_delay"] = "-1"
        cluster.create()
        with under_load(cluster) as load:
            leader, standbys, readers = cluster.leader(), cluster.standbys(), {}
            for node in standbys:
                leader.sql(f"create table blocker_{node}(id int)", "postgres")
            cluster.wait_healthy()
            for node in standbys:
                end = leader.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
                wait_until(f"the table on {node}", lambda: node.sql(
                    f"select pg_last_wal_replay_lsn() >= '{end}'::pg_lsn", "postgres") == ["t"], 30)
                readers[node] = _block_replay(cluster, load, node)
            term = cluster.status()["term"]
            leader.kill_all()
            # pg_promote leaves this file for the startup process, which waits for the reader.
            chosen = wait_until("a promotion that waits", lambda: next(
                (node for node in standbys if (node.data / "promote").exists()), None), 60,
                cluster.brief)
            for node in standbys:
                if node is not chosen:
                    processes.send([readers[node]], signal.SIGTERM)
                    processes.send([readers[node]], signal.SIGCONT)
            then(cluster, chosen, leader)
            cluster.wait_leader(above_term=term, seconds=120)
            load.wait_acks(20)
            if not leader.processes():
                leader.start()


@story(own=True)
def agent_dies_while_the_promotion_waits(new_cluster):
    """pg_promote waits for replay that a reader blocks, and the agent that asked is killed. The
    server may become primary at any time: it is stopped, fenced and read again."""
    def kill_the_agent(_, chosen, __):
        before = chosen.postmaster()
        chosen.kill("agent")
        wait_until("another PostgreSQL", lambda: chosen.postmaster() not in (None, before), 60)

    _promotion_that_waits(new_cluster, kill_the_agent)


@story(own=True)
def node_frozen_while_the_promotion_waits(new_cluster):
    """As before, but the whole chosen node stands still and others go on in a later term. When it
    wakes, its promotion may end, and acknowledges nothing."""
    def freeze_the_node(cluster, chosen, old):
        term = cluster.status()["term"]
        chosen.freeze()
        try:
            old.start()
            cluster.wait_leader(other_than=chosen, above_term=term, seconds=120)
        finally:
            chosen.thaw()

    _promotion_that_waits(new_cluster, freeze_the_node)


@story(ci=True, own=True)
def crash_between_placeholder_and_promotion(new_cluster):
    """A timeline was allocated and never used, so that the next promotion places a reserved history
    file for it; its agent dies right then, and the whole node after it. A placeholder that is left
    would be FATAL at every start."""
    with new_cluster(nodes=3) as cluster:
        for node in cluster.nodes:
            node.environment["EVERGRES_TEST_CRASH_AFTER"] = "names"
        cluster.create()
        with under_load(cluster) as load:
            leader, standbys = cluster.leader(), cluster.standbys()
            died = _dies_before_it_asks(cluster, standbys, leader.kill_all)
            # The timeline of this term is lost; the next one reserves it with a placeholder.
            again = _dies_before_it_asks(cluster, standbys, lambda: None)
            reserved = [path.name for path in (again.data / "pg_wal").glob("*.history")
                        if path.name > _newest_used(again)]
            expect(reserved, f"{died}, then {again} died without a placeholder in place")
            again.kill_all()
            again.start()
            cluster.wait_leader(other_than=leader, seconds=120)
            load.wait_acks(20)
            leader.start()
            cluster.wait_healthy(180)
            for node in cluster.nodes:
                expect("requested timeline" not in node.server_log(), f"FATAL on {node}")
            timelines = [entry["timeline"] for entry in cluster.history()]
            expect(len(timelines) == len(set(timelines)), f"a timeline twice: {timelines}")


def _newest_used(node):
    """The history file of the timeline on which the server is."""
    timeline = node.control_data()["Latest checkpoint's TimeLineID"]
    return f"{int(timeline):08X}.history"


def _dies_before_it_asks(cluster, standbys, begin):
    """Both are armed; returns the one whose agent died before its server was asked to promote. Its
    supervisor stands still then, so that the server stays as it is, until the next call."""
    armed = {node: node.state / "crash-once" for node in standbys}
    supervisors = {node: node.supervisor() for node in standbys}
    processes.send(supervisors.values(), signal.SIGCONT)
    for path in armed.values():
        path.touch()
    begin()
    died = wait_until("a crash before the promotion", lambda: next(
        (node for node, path in armed.items() if not path.exists()), None), 60, cluster.brief,
        every=0.002)
    os.kill(supervisors[died], signal.SIGSTOP)
    return died
