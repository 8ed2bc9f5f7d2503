"""Positions are read after old WAL can no longer arrive, also where replay stands still."""

import signal

from harness import expect, processes, story, under_load, wait_until


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
