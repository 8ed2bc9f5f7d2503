"""A person with psql and the best intentions."""

from harness import expect, story, under_load, wait_until


@story(ci=True)
def names_altered_on_the_leader(cluster):
    """ALTER SYSTEM SET synchronous_standby_names = '' would let the leader acknowledge alone. The
    agent notices, and nothing that was acknowledged is lost when the leader dies right after."""
    with under_load(cluster) as load:
        leader, term = cluster.leader(), cluster.status()["term"]
        leader.sql("alter system set synchronous_standby_names = ''", "postgres")
        leader.sql("select pg_reload_conf()", "postgres")

        def repaired_or_demoted():
            if cluster.status() and cluster.status()["term"] > term:
                return True
            names = leader.try_sql("show synchronous_standby_names", "postgres", 5)
            return bool(names) and "evg_" in names.stdout
        wait_until("the names repaired or the leader stopped", repaired_or_demoted, 30)
        load.wait_acks(20)
        cluster.wait_healthy()
        leader = cluster.leader()
        leader.kill("postmaster")
        cluster.wait_leader(other_than=leader)


@story()
def conninfo_altered_on_a_standby(cluster):
    """ALTER SYSTEM SET primary_conninfo on a standby is taken back."""
    with under_load(cluster) as load:
        standby = cluster.standbys()[0]
        standby.sql("alter system set primary_conninfo = 'host=127.0.0.1 port=1'", "postgres")
        standby.sql("select pg_reload_conf()", "postgres")
        wait_until("primary_conninfo as Evergres wants it", lambda: "service=evergres" in (
            (a := standby.try_sql("show primary_conninfo", "postgres", 5)) and a.stdout or ""), 60)
        load.wait_acks(20)


@story(ci=True)
def promoted_behind_our_back(cluster):
    """pg_ctl promote on a standby makes a primary that can acknowledge nothing, that is stopped,
    and that comes back as a standby."""
    with under_load(cluster) as load:
        rogue = cluster.standbys()[0]
        before = rogue.postmaster()
        rogue.sql("select pg_promote(false)", "postgres")
        wait_until("the rogue primary stopped", lambda: rogue.postmaster() != before, 60)
        load.wait_acks(50)
        cluster.wait_healthy(180)
        expect(rogue.sql("select pg_is_in_recovery()", "postgres") == ["t"],
               f"{rogue} is no standby")


@story()
def promoted_while_evergres_is_down(cluster):
    """Somebody starts and promotes the data directory of a dead node. The next leader was given
    another timeline id, with a placeholder for the one that a promotion by hand takes: nothing of
    the stray timeline may stay, although both perhaps begin at the same place."""
    leader, stray = cluster.leader(), cluster.standbys()[0]
    term = cluster.status()["term"]
    stray.kill_all()
    leader.kill("postmaster")
    stray.wait_gone()
    heir = cluster.wait_leader(above_term=term)
    # Their process is dead, perhaps not buried yet.
    for lock in [stray.data / "postmaster.pid", *stray.run_directory.glob(".s.PGSQL.*")]:
        lock.unlink()
    stray.by_hand("start")
    stray.by_hand("promote")
    stray.sql("set synchronous_commit = local; create table stray (x int)", "postgres")
    stray.by_hand("stop", "-m", "fast")
    name = max(path.name for path in (stray.data / "pg_wal").glob("*.history"))
    wait_until("the leader's placeholder", (heir.data / "pg_wal" / name).exists, 60)
    expect("evergres reserved" in (heir.data / "pg_wal" / name).read_text(),
           f"{heir} was given a timeline that a promotion by hand takes")
    stray.start()
    cluster.wait_healthy(180)
    expect(stray.sql("select to_regclass('stray') is null", "postgres") == ["t"],
           f"{stray} kept what it wrote on a timeline of its own")
    with under_load(cluster) as load:
        load.wait_acks(50)
