"""An old leader comes back with WAL that nobody else has."""

import os
import signal
from pathlib import Path

from harness import expect, story, under_load, wait_until


def _diverge(cluster, load, checkpoint):
    """Kills the leader after it wrote WAL that no standby received; returns it, dead."""
    leader = cluster.leader()
    senders = leader.postgres_called("walsender evergres_replication")
    expect(len(senders) == len(cluster.nodes) - 1, f"walsenders: {senders}")
    for pid in senders:
        os.kill(pid, signal.SIGSTOP)
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
