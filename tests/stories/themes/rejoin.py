"""An old leader comes back with WAL that nobody else has."""

import json
import os
import re
import signal
from pathlib import Path

from harness import expect, lsn_of, processes, story, under_load, wait_until


def _diverge(cluster, load, checkpoint):
    """Kills the leader after it wrote WAL that no standby received; returns it, dead."""
    leader = cluster.leader()
    senders = leader.postgres_called("walsender evergres_replication")
    expect(len(senders) == len(cluster.nodes) - 1, f"walsenders: {senders}")
    for pid in senders:
        leader.stop_walsender(pid)
    waiting = leader.try_sql("select pg_current_wal_lsn()", "postgres").stdout.strip()
    # Written and flushed on the leader, waiting for voters that hear nothing.
    wait_until("a commit that waits for its voters", lambda: leader.sql(
        "select count(*) from pg_stat_activity where wait_event = 'SyncRep'", "postgres") != ["0"])
    leader.sql("select pg_switch_wal()", "postgres")
    if checkpoint:
        leader.sql("checkpoint", "postgres", timeout=60)
        leader.sql("select pg_switch_wal()", "postgres")
    wait_until("WAL of its own", lambda: leader.sql(
        f"select pg_current_wal_flush_lsn() > '{waiting}'::pg_lsn", "postgres") == ["t"])
    leader.kill_all()
    return leader


@story(ci=True)
def segments_wait_ahead_of_their_use(cluster):
    """PostgreSQL makes segments of zeros ahead of their use. pg_waldump, asked for the directory
    alone, may take one of them for its sample and refuse: the killed leader still finds the end of
    its WAL and follows."""
    with under_load(cluster) as load:
        old = cluster.leader()
        old.kill_all()
        cluster.wait_leader(other_than=old)
        load.wait_acks(20)
        last = max(path for path in (old.data / "pg_wal").iterdir() if len(path.name) == 24)
        owner = last.stat()
        for ahead in range(1, 25):
            segment = last.with_name(f"{int(last.name, 16) + ahead:024X}")
            segment.touch(0o600)
            os.chown(segment, owner.st_uid, owner.st_gid)
            os.truncate(segment, owner.st_size)
        old.start()
        cluster.wait_healthy()


@story(ci=True)
def diverged_leader_rewinds(cluster):
    """The leader dies with WAL that nobody received. When it returns, its own commits (never
    acknowledged) are gone and it follows: pg_rewind, not a copy of everything."""
    with under_load(cluster) as load:
        old = _diverge(cluster, load, checkpoint=False)
        cluster.wait_leader(other_than=old)
        load.wait_acks(20)
        old.start()
        cluster.wait_healthy()
        expect("rewind" in old.log_text().lower(), f"{old} says nothing of a rewind")


@story()
def rewind_fails_then_clone(cluster):
    """The WAL that pg_rewind needs was recycled: it fails and the node is cloned instead."""
    with under_load(cluster) as load:
        old = _diverge(cluster, load, checkpoint=True)
        cluster.wait_leader(other_than=old)
        load.wait_acks(20)
        needed = old.control_data()["Latest checkpoint's REDO WAL file"]
        wal = Path(old.data) / "pg_wal"
        removed = [path for path in wal.iterdir() if len(path.name) == 24 and path.name < needed]
        expect(removed, "no WAL file could be taken away")
        for path in removed:
            path.unlink()
        old.start()
        cluster.wait_healthy(180)
        expect("clon" in old.log_text().lower(), f"{old} says nothing of a clone")


@story()
def old_leader_returns_empty(cluster):
    """The disk of the leader was replaced: the node comes back under its name with nothing, is a
    new incarnation and gets a clone."""
    with under_load(cluster) as load:
        old = cluster.leader()
        old.kill_all()
        cluster.wait_leader(other_than=old)
        load.wait_acks(20)
        old.data.rename(old.directory / "lost-disk")
        old.start()
        cluster.wait_healthy(180)


def _history_of(node, timeline):
    return Path(node.data) / "pg_wal" / f"{timeline:08X}.history"


@story(ci=True)
def histories_that_the_wal_passed_by_go_before_an_answer(cluster):
    """Both standbys have the history of a timeline that left theirs before the end of their WAL.
    Recovery may follow it, and a promotion would name it as the parent: they are started without it
    before they answer, and the next timeline comes from the one that they are on."""
    with under_load(cluster) as load:
        old, standbys, timeline = cluster.leader(), cluster.standbys(), cluster.status()["timeline"]
        left = old.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
        load.wait_acks(20)
        before = {node: node.postmaster() for node in standbys}
        for node in standbys:
            wait_until(f"WAL behind {left} on {node}", lambda node=node: node.sql(
                f"select pg_last_wal_replay_lsn() > '{left}'::pg_lsn", "postgres") == ["t"], 30)
            _history_of(node, timeline + 1).write_text("# evergres reserved\n")
            _history_of(node, timeline + 2).write_text(
                (_history_of(node, timeline).read_text() if timeline > 1 else "")
                + f"{timeline}\t{left}\tnobody's\n")
        old.kill_all()
        new = cluster.wait_leader(other_than=old)
        load.wait_acks(20)
        lines = _history_of(new, cluster.status()["timeline"]).read_text().splitlines()
        expect(lines[-1].split("\t")[0] == str(timeline), f"the parents: {lines}")
        for node in standbys:
            expect(node.postmaster() != before[node], f"{node} still runs with that history")
            expect("the WAL had passed by" in node.log_text(), f"{node} says nothing of it")
        old.start()
        cluster.wait_healthy()


def _waiting_commits(leader):
    return int(leader.sql("select count(*) from pg_stat_activity where wait_event = 'SyncRep'",
                          "postgres")[0])


@story(own=True)
def diverged_leader_returns_while_the_only_voter_is_down(new_cluster):
    """At attach a walreceiver reports its replay position, whatever its timeline. The old leader
    has a tail in the very segment in which the new timeline begins, and comes back while the only
    other voter stands still: it must not acknowledge before it lost the tail."""
    with new_cluster(nodes=3, settings={"voter_timeout": "40s"}) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            old = cluster.leader()
            old.sql("select pg_switch_wal()", "postgres")
            load.wait_acks(50)
            for pid in old.postgres_called("walsender evergres_replication"):
                old.stop_walsender(pid)
            wait_until("commits that wait", lambda: _waiting_commits(old) >= len(load.writers), 20)
            tail = old.sql("select pg_walfile_name(pg_current_wal_flush_lsn())", "postgres")[0]
            old.kill_all()
            new = cluster.wait_leader(other_than=old)
            begin = cluster.history()[-1]["switch_lsn"]
            expect(new.sql(f"select pg_walfile_name('{begin}')", "postgres")[0][8:] == tail[8:],
                   f"the tail is in {tail}, the switch at {begin}")
            load.wait_acks(20)
            wait_until("the checkpoint after which others may rewind",
                       lambda: "checkpoint complete" in new.server_log(), 60)
            (voter,) = [node for node in cluster.nodes if node not in (old, new)]
            expect(cluster.status()["voters"] == [voter.name], cluster.brief())
            voter.freeze()
            wait_until("commits that wait", lambda: _waiting_commits(new) >= len(load.writers), 20)
            acked = load.acked_count()
            old.start()

            def old_is_a_voter():
                # In this order: who acknowledged was in a recorded policy when it did.
                count = load.acked_count()
                status = new.status()
                if status and old.name in status["voters"]:
                    return True
                expect(count == acked, f"acknowledged by a tail: {cluster.brief()}")
                return False

            wait_until(f"{old} as voter", old_is_a_voter, 60, cluster.brief, every=0.01)
            log = old.log_text().lower()
            expect("rewind" in log or "clon" in log, f"{old} says nothing of a rewind")
            load.wait_acks(20)
            wait_until("the proof", lambda: not new.status()["unproven"], 60, cluster.brief)
            new.kill_all()
            voter.thaw()
            cluster.wait_leader(other_than=new)
            load.wait_acks(20)
            new.start()


@story(own=True)
def voter_outside_the_fence_returns_with_a_tail(new_cluster):
    """Commits wait for both standbys, so that one alone covers the policy. The other one has more
    WAL, its agent is dead while the failover runs, and its PostgreSQL goes on asking the old
    leader's address: it neither counts nor keeps what nobody was told about."""
    with new_cluster(nodes=3, settings={"synchronous_nodes": 2}) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (fenced, outside) = cluster.leader(), cluster.standbys()
            leader.stop_walsender(int(leader.sql(
                "select pid from pg_stat_replication where application_name "
                f"like 'evg_{fenced.name}_%'", "postgres")[0]))
            wait_until("commits that wait", lambda: _waiting_commits(leader) >= len(load.writers),
                       20)
            end = leader.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
            wait_until(f"a tail on {outside}", lambda: outside.sql(
                f"select pg_last_wal_receive_lsn() >= '{end}'::pg_lsn", "postgres") == ["t"], 20)
            frozen = outside.freeze_control_plane()
            leader.kill_all()
            new = cluster.wait_leader(other_than=leader)
            expect(new is fenced, f"{new} leads")
            leader.start()
            wait_until(f"{leader} as voter", lambda: (s := new.status())
                       and leader.name in s["voters"] and not s["unproven"], 90, cluster.brief)
            load.wait_acks(50)
            expect(outside.postmaster(), f"the PostgreSQL of {outside} is gone")
            senders = new.sql("select application_name from pg_stat_replication", "postgres")
            expect(not any(f"_{outside.name}_" in name for name in senders),
                   f"{outside} is attached though its agent is dead: {senders}")
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
            cluster.wait_healthy(180)
            log = outside.log_text().lower()
            expect("rewind" in log or "clon" in log, f"{outside} kept its tail")
            new.kill_all()
            cluster.wait_leader(other_than=new)
            new.start()


def _hold_while_it_sends(source, node):
    """Stops the walsender that copies the files of `source` to `node`, in the middle of them: its
    pg_basebackup is held until the walsender waits for it to read on (there it has no lock)."""
    copier = lambda: [pid for pid, p in node.processes().items()
                      if p.argv and p.argv[0].endswith("pg_basebackup")]
    question = ("select pid, coalesce(wait_event, '') from pg_stat_activity where query like "
                f"'BASE_BACKUP%' and application_name = 'evergres_clone_{node}'")

    def held():
        pids = copier()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        rows = [row.split("|") for row in source.sql(question, "postgres")] if pids else []
        if rows and rows[0][1] == "ClientWrite":
            os.kill(int(rows[0][0]), signal.SIGSTOP)
            return int(rows[0][0])
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return None

    sender = wait_until(f"a walsender of {source} that sends files to {node}", held, 60, every=0.02)
    for pid in copier():
        os.kill(pid, signal.SIGCONT)
    return sender


def _heard_at(node, other):
    """The position of another node's last heartbeat: what the source of a clone is chosen by."""
    line = re.search(rf"^  {other.name}: .*?, ([0-9A-F]+/[0-9A-F]+) on timeline",
                     node.explain(), re.MULTILINE)
    return lsn_of(line[1]) if line else -1


@story(own=True)
def a_clone_whose_source_hangs_is_begun_anew(new_cluster):
    """The process that sends the copy stands still, and its connection lives on, as on a frozen
    machine or a bad disk, while WAL goes on coming: the clone is given up after a minute without a
    byte of it, and the next one comes from the leader."""
    with new_cluster(nodes=3) as cluster:
        cluster.nodes[1].settings["tags"] = json.dumps({"clonefrom": True})
        cluster.create()
        with under_load(cluster) as load:
            leader, source, node = cluster.nodes
            expect(cluster.leader() is leader, cluster.brief())
            leader.sql("create table large as select repeat(md5(i::text), 30) as text from "
                       "generate_series(1, 100000) i", timeout=120)
            cluster.wait_healthy()
            end = leader.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
            wait_until(f"{source} close behind, as {node} hears",
                       lambda: _heard_at(node, source) >= lsn_of(end), 60, node.explain)
            asked = leader.evergres("reinit", node.name, "--force")
            expect(asked.returncode == 0, f"reinit: {asked.stderr}{asked.stdout}")
            sender = _hold_while_it_sends(source, node)
            try:
                words = "pg_basebackup stood still and was killed"
                wait_until("the clone given up", lambda: words in node.log_text(), 110,
                           node.last_log_lines)
                load.wait_acks(20)
                cluster.wait_healthy(180)
            finally:
                processes.send([sender], signal.SIGCONT)
            log = node.log_text()
            given_up = log.index(words)
            expect(f"clone from {source} in term" in log[:given_up], "the first clone")
            expect(f"clone from {leader} in term" in log[given_up:], "the second clone")
