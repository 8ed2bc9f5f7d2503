"""What went wrong elsewhere and was written down: each of these took somebody's database down, or
lost rows."""

import contextlib
import json
import os
import shutil
import time

import psycopg2

from harness import (Load, SlowFsync, expect, fill, no_space, small_disk, story, under_load,
                     wait_until)

QUIET = 5.0


def _nobody_leads(cluster, what):
    """For some seconds no node is an open leader."""
    until = time.monotonic() + QUIET
    while time.monotonic() < until:
        found = cluster.leader()
        expect(found is None, f"{found} leads {what}; {cluster.brief()}")
        time.sleep(0.2)


def _edit(node, *arguments):
    done = node.evergres("edit-config", "--force", "--wait", *arguments, timeout=120)
    expect(done.returncode == 0, f"edit-config {arguments}: {done.stderr}{done.stdout}")


@story()
def the_leaders_machine_is_shut_down_in_order(cluster):
    """SIGTERM, as systemd sends it at a shutdown: another node leads after a moment, and nobody
    waits for a time-out."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        began = time.monotonic()
        stopping = cluster.in_background(leader.stop)
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        expect(time.monotonic() - began < 20, f"it took {time.monotonic() - began:.1f} s")
        stopping.join(60)
        leader.start()


@story()
def the_stale_standby_comes_up_first(cluster):
    """A standby was down while the others went on; then all are down, and it is the first to come
    back. It must not lead: it lacks what the others acknowledged."""
    with under_load(cluster) as load:
        stale = cluster.standbys()[0]
        stale.kill_all()
        wait_until("the policy without it", lambda: (s := cluster.status())
                   and stale.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
        load.wait_acks(100)
        others = [node for node in cluster.nodes if node is not stale]
        for node in others:
            node.kill_all()
        stale.start()
        wait_until("the agent of the stale node", stale.status, 30)
        _nobody_leads(cluster, "though it lacks rows")
        for node in others:
            node.start()
        leader = cluster.wait_leader(seconds=90)
        expect(leader is not stale, "the stale node leads")


@story()
def leader_and_voter_die_at_once(cluster):
    """With the leader one of the two voters is gone: the other cannot know whether it has
    everything. Nobody leads, and it is said why, until the voter is back."""
    with under_load(cluster) as load:
        leader, (voter, survivor) = cluster.leader(), cluster.standbys()
        term = cluster.status()["term"]
        for node in (leader, voter):
            node.kill_all()
        wait_until("an election", lambda: (s := survivor.status()) and s["phase"] != "leading", 30)
        _nobody_leads(cluster, "without the other voter")
        said = survivor.evergres("explain", "election")
        expect(voter.name in said.stdout, f"explain does not name {voter}: {said.stdout}")
        voter.start()
        cluster.wait_leader(above_term=term, seconds=90)
        load.wait_acks(20)
        leader.start()


@story()
def a_restart_shows_no_commit_that_still_waits(cluster):
    """A commit waits for standbys that hear nothing, and the server crashes: PostgreSQL would show
    the row after its restart, though nobody acknowledged it. No client may see it then, unless it is
    kept for good."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        leader.sql("create table shown (id int); grant all on shown to app")
        standbys = cluster.standbys()
        for node in standbys:
            wait_until(f"the table on {node}", lambda node=node: node.sql(
                "select count(*) from pg_tables where tablename = 'shown'") == ["1"], 30)
        for node in standbys:
            node.freeze()

        def insert():
            with contextlib.suppress(psycopg2.Error), \
                    contextlib.closing(psycopg2.connect(cluster.dsn([leader]))) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("insert into shown values (1)")
        thread = cluster.in_background(insert)
        wait_until("a commit that waits", lambda: leader.sql(
            "select count(*) from pg_stat_activity where wait_event = 'SyncRep'", "postgres")
            != ["0"], 20)
        leader.kill("postmaster")
        seen, until = 0, time.monotonic() + QUIET
        while time.monotonic() < until:
            with contextlib.suppress(psycopg2.Error), contextlib.closing(psycopg2.connect(
                    cluster.dsn([leader], target_session_attrs="any"))) as connection, \
                    connection.cursor() as cursor:
                cursor.execute("select count(*) from shown")
                seen = max(seen, cursor.fetchone()[0])
            time.sleep(0.05)
        for node in standbys:
            node.thaw()
        thread.join(60)
        cluster.wait_leader(seconds=90)
        load.wait_acks(20)
        cluster.wait_healthy()
        kept = int(cluster.leader().sql("select count(*) from shown")[0])
        expect(seen <= kept, "a client saw a row that is gone now")
        cluster.leader().sql("drop table shown")


@story()
def an_absent_member_does_not_fill_the_disk(cluster):
    """A member is away and its slot keeps WAL, but no more than max_slot_wal_keep_size. When it is
    back it is made anew if need be."""
    leader, absent = cluster.leader(), cluster.standbys()[0]
    _edit(leader, "-p", "max_slot_wal_keep_size=32MB", "-p", "wal_keep_size=16MB",
          "-p", "max_wal_size=64MB")
    try:
        with under_load(cluster) as load:
            absent.kill_all()
            wait_until("the policy without it", lambda: (s := cluster.status())
                       and absent.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
            for _ in range(12):
                leader.sql("select pg_logical_emit_message(false, 'filler', repeat('x', 1000)); "
                           "select pg_switch_wal()", "postgres")
            leader.sql("checkpoint", "postgres", timeout=60)
            status = leader.sql("select wal_status from pg_replication_slots where slot_name = "
                                f"'evg_{absent.name}'", "postgres")
            expect(status in (["lost"], ["unreserved"], []), f"its slot still keeps all: {status}")
            kept = sum(path.stat().st_size for path in (leader.data / "pg_wal").iterdir()
                       if len(path.name) == 24)
            expect(kept < 200 << 20, f"{kept >> 20} MB of WAL are kept")
            load.wait_acks(20)
            absent.start()
            cluster.wait_healthy(180)
    finally:
        _edit(cluster.wait_leader(), "-p", "max_slot_wal_keep_size=", "-p", "wal_keep_size=",
              "-p", "max_wal_size=")


@story()
def a_stalled_archive_holds_up_no_switchover(cluster):
    """archive_command hangs. PostgreSQL waits for it at a shutdown; a switchover does not."""
    leader = cluster.leader()
    _edit(leader, "-p", "archive_mode=on", "-p", "archive_command=sleep 600")
    done = leader.evergres("restart", "--pending", "--force", timeout=180)
    expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
    cluster.wait_healthy()
    try:
        with under_load(cluster) as load:
            leader = cluster.leader()
            leader.sql("select pg_switch_wal()", "postgres")
            wait_until("an archiver that hangs", lambda: leader.postgres_called("archiver"), 30)
            cluster.switchover(cluster.standbys()[0], seconds=30)
            load.wait_acks(20)
            expect(load.longest_gap() < 10, f"writes stood still for {load.longest_gap():.1f} s")
            wait_until(f"{leader} as a standby again", lambda: cluster.is_healthy(), 90,
                       cluster.brief)
    finally:
        leader = cluster.wait_leader()
        _edit(leader, "-p", "archive_mode=", "-p", "archive_command=")
        done = leader.evergres("restart", "--pending", "--force", timeout=180)
        expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
        cluster.wait_healthy()


@story()
def every_connection_is_taken(cluster):
    """An application leaks connections until PostgreSQL refuses more. That is no reason to fail
    over, the agent still sees its server, and a switchover works."""
    with under_load(cluster) as load, contextlib.ExitStack() as leaked:
        leader, term = cluster.leader(), cluster.status()["term"]
        refused = None
        while refused is None:
            try:
                connection = psycopg2.connect(cluster.dsn([leader]))
                leaked.callback(connection.close)
            except psycopg2.Error as error:
                refused = str(error)
        expect("slots" in refused or "too many" in refused, refused)
        until = time.monotonic() + QUIET
        while time.monotonic() < until:
            expect(cluster.leader() is leader and cluster.status()["term"] == term,
                   f"it failed over: {cluster.brief()}")
            time.sleep(0.2)
        load.wait_acks(20)
        cluster.switchover(cluster.standbys()[0])
        load.wait_acks(20)


@story()
def an_old_copy_of_the_store_is_put_in_place(cluster):
    """Somebody restores the store from a backup of yesterday, beneath running agents. They do not
    believe it, writes go on, and with the right one everything goes on as before."""
    store = cluster.store.parent
    old, away = store.with_name("store.old"), store.with_name("store.right")
    cluster.wait_healthy()
    with cluster.store_locked():  # a copy of one moment
        shutil.copytree(store, old)
    for path in (old, *old.iterdir()):
        shutil.chown(path, store.stat().st_uid, store.stat().st_gid)
    try:
        with under_load(cluster) as load:
            cluster.switchover(cluster.standbys()[0])
            cluster.wait_healthy()
            term, leader = cluster.status()["term"], cluster.leader()
            store.rename(away)
            old.rename(store)
            wait_until("the trouble in status",
                       lambda: (s := leader.status()) and s["store_trouble"], 30, cluster.brief)
            load.wait_acks(100)
            expect(leader.status()["term"] == term, f"another term: {cluster.brief()}")
            shutil.rmtree(store)
            away.rename(store)
            wait_until("no trouble any more",
                       lambda: (s := leader.status()) and not s["store_trouble"], 60, cluster.brief)
            cluster.wait_healthy()
            expect(cluster.status()["term"] == term, f"another term: {cluster.brief()}")
    finally:
        shutil.rmtree(old, ignore_errors=True)


@story()
def a_promise_that_cannot_be_written(cluster):
    """A standby's state directory cannot be written when the leader dies. It promises nothing it
    could not remember: nobody leads until it can, and then all goes on."""
    with under_load(cluster) as load:
        leader, voter = cluster.leader(), cluster.standbys()[0]
        term = cluster.status()["term"]
        mode = voter.state.stat().st_mode
        os.chmod(voter.state, 0o500)
        try:
            leader.kill_all()
            wait_until("a fence that fails", lambda: "not done: fence" in voter.log_text(), 60)
            _nobody_leads(cluster, f"without the promise of {voter}")
        finally:
            os.chmod(voter.state, mode)
        cluster.wait_leader(above_term=term, seconds=90)
        load.wait_acks(20)
        leader.start()


@story()
def five_leaders_die_one_after_the_other(cluster):
    """A poisonous query kills every leader that runs it. Each failure is one failover, the pace of
    the elections is bounded, and nothing is lost on the way."""
    with under_load(cluster) as load:
        terms = [cluster.status()["term"]]
        for _ in range(5):
            leader = cluster.leader()
            leader.kill("postmaster")
            cluster.wait_leader(above_term=terms[-1], seconds=90)
            load.wait_acks(20)
            cluster.wait_healthy()
            terms.append(cluster.status()["term"])
        expect(terms[-1] - terms[0] <= 8, f"terms {terms}: more elections than failures")


@story(own=True)
def no_space_on_the_candidate(new_cluster):
    """The leader dies, and the standby that is to lead has not a byte left, not even for the first
    segment of its timeline: it is not promoted, nobody leads who lacks what it acknowledged, and
    with the old leader back the cluster serves. With space again the node follows."""
    with new_cluster(nodes=3) as cluster, small_disk(cluster.nodes[1]) as disk:
        old, candidate, other = cluster.nodes
        candidate.settings["tags"] = json.dumps({"failover_priority": 9})
        cluster.create()
        expect(cluster.leader() is old, cluster.brief())
        with under_load(cluster) as load:
            filler = fill(disk)
            load.wait_acks(20)
            term = cluster.status()["term"]
            old.kill_all()
            wait_until("the full disk noticed", lambda: no_space(candidate), 60,
                       candidate.last_log_lines)
            wait_until("another term", lambda: cluster.status()["term"] > term, 60, cluster.brief)
            expect(not _leads(candidate), f"{candidate} leads: {cluster.brief()}")
            old.start()
            cluster.wait_leader(above_term=term, seconds=90)
            load.wait_acks(50)
            expect(not _leads(candidate), f"{candidate} leads: {cluster.brief()}")
            filler.unlink()
            cluster.wait_healthy(180)


@story(own=True)
def promotions_fail_for_long(new_cluster):
    """The leader dies, and the only standby has no space: it is chosen and fails to be promoted more
    often than the record takes policies that wait for their proof. With space again it leads, and
    its first timeline since is the one that it was given at first."""
    with new_cluster(nodes=2) as cluster, small_disk(cluster.nodes[1]) as disk:
        cluster.create()
        old, candidate = cluster.nodes
        expect(cluster.leader() is old, cluster.brief())
        load = Load(cluster)
        load.wait_acks(50)
        timeline = cluster.status()["timeline"]
        term = cluster.status()["term"]
        filler = fill(disk)
        old.kill_all()
        wait_until("70 terms in vain", lambda: (candidate.status() or {"term": 0})["term"] > term + 70,
                   550, candidate.last_log_lines, every=1.0)
        filler.unlink()
        cluster.wait_leader(above_term=term + 70, seconds=90)
        expect(cluster.leader() is candidate, cluster.brief())
        load.wait_acks(50)
        expect(cluster.status()["timeline"] == timeline + 2, f"timeline {cluster.status()}")
        old.start()
        cluster.wait_healthy(120)
        load.stop()
        load.assert_nothing_lost()


@story(own=True)
def a_leader_that_cannot_promise_begins_no_handover(new_cluster):
    """The file system of the leader's state directory is full when somebody asks for a switchover.
    Nobody waits for it: the term begins when the promise of the leader's node can be written."""
    with new_cluster(nodes=3) as cluster, small_disk(cluster.nodes[0], what="state") as disk:
        cluster.create()
        old = cluster.leader()
        expect(old is cluster.nodes[0], cluster.brief())
        with under_load(cluster) as load:
            filler = fill(disk)
            term = cluster.status()["term"]
            asking = cluster.in_background(cluster.switchover, cluster.nodes[1])
            wait_until("a handover that could not begin",
                       lambda: "No space left on device" in old.log_text(), 30,
                       old.last_log_lines)
            load.wait_acks(100)
            expect(cluster.status()["term"] == term, f"a term was begun: {cluster.brief()}")
            filler.unlink()
            cluster.wait_leader(other_than=old)
            asking.join(60)
            load.wait_acks(50)
            cluster.wait_healthy()


def _leads(node):
    answer = node.try_sql("select pg_is_in_recovery()", "postgres", 5)
    return bool(answer) and answer.stdout.strip() == "f"


@story(own=True)
def slow_fsync_on_a_standby(new_cluster):
    """Each fsync of one standby takes a second: commits do not wait for it while the other one
    acknowledges. When it is the last one they do, and go on; nothing is lost."""
    with new_cluster(nodes=3) as cluster:
        slow, other = cluster.nodes[2], cluster.nodes[1]
        disk = SlowFsync(slow)
        cluster.create()
        expect(cluster.leader() is cluster.nodes[0], cluster.brief())
        term = cluster.status()["term"]
        with under_load(cluster) as load, disk.of(1000):
            load.wait_acks(300, seconds=30)
            expect(load.longest_gap() < 5, f"commits waited for {load.longest_gap():.1f} s")
            other.kill_all()
            load.wait_acks(30, seconds=120)
            expect(cluster.status()["term"] == term, f"a new term: {cluster.brief()}")
            other.start()
            load.wait_acks(100, seconds=120)


@story(own=True)
def slow_fsync_on_the_candidate(new_cluster):
    """Whoever may lead next needs a third of a second for each fsync: the failover takes longer,
    and loses nothing."""
    with new_cluster(nodes=3) as cluster:
        old, *candidates = cluster.nodes
        disks = [SlowFsync(node) for node in candidates]
        cluster.create()
        expect(cluster.leader() is old, cluster.brief())
        with under_load(cluster) as load, disks[0].of(300), disks[1].of(300):
            load.wait_acks(50)
            term = cluster.status()["term"]
            old.kill_all()
            cluster.wait_leader(other_than=old, above_term=term, seconds=120)
            load.wait_acks(20, seconds=120)
            old.start()
