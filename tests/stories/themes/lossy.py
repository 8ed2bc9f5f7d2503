"""Durability async: what may be lost, what is lost, and that the history says so."""

import os
import signal
import time

from harness import Load, expect, lsn_of, story, under_load, wait_until


def _cluster(new_cluster, max_loss, nodes=3):
    return new_cluster(nodes=nodes, settings={"durability": "async", "max_loss": max_loss})


def _async_leads(cluster):
    wait_until("a proven policy of durability async", lambda: (s := cluster.status())
               and s["durability"] == "async" and not s["unproven"], 60, cluster.brief)


def _stop_the_stream(cluster, load):
    """Both standbys stand still while commits go on: nothing of them is on any standby."""
    leader = cluster.leader()
    senders = leader.postgres_called("walsender evergres_replication")
    expect(len(senders) == len(cluster.nodes) - 1, f"walsenders: {senders}")
    for sender in senders:
        leader.stop_walsender(sender)
    load.wait_acks(200)
    held = max(_received(node) for node in cluster.standbys())
    for node in cluster.standbys():
        wait_until(f"{node} that knows how far both are behind", lambda: any(
            row["name"] == leader.name and lsn_of(row["receive_lsn"] or "0/0") > held + 4096
            for row in (node.status() or {"nodes": []})["nodes"]), 20, cluster.brief)
    return leader


def _received(node):
    """Asked of PostgreSQL: what an agent says of its own server may be half a second old."""
    return int(node.sql("select pg_last_wal_receive_lsn() - '0/0'::pg_lsn", "postgres")[0])


def _entry(cluster, term):
    return next((e for e in cluster.history() if e["term"] == term), None)


def _measured(cluster, term):
    """The history's entry after the old leader showed the end of its WAL."""
    def is_measured():
        entry = _entry(cluster, term)
        return entry if entry and entry["lost"] and entry["lost"]["measured"] else None
    return wait_until("a measured loss in the history", is_measured, 90,
                      lambda: _entry(cluster, term))


def _told_of(cluster, leader, above_term):
    """The history's entry of the failover that gave up WAL of this leader, measured or not."""
    entry = wait_until("a loss in the history", lambda: next(
        (e for e in cluster.history() if e["term"] > above_term and e["lost"]), None), 30)
    expect(entry["lost"]["leader"] == leader.name, f"{entry}")
    return entry


def _assert_nothing_was_given_up(cluster):
    given_up = [entry for entry in cluster.history() if entry["lost"]]
    expect(not given_up, f"{given_up}")


def _assert_none_is_missing_before(lost, missing, ends):
    """Rows whose WAL the next leader had."""
    first = lsn_of(lost["from"])
    early = [n for n in missing if ends.get(n, first + 1) <= first]
    expect(not early, f"rows {early[:5]} are missing, but lie before {lost}")


def _assert_loss_is_as_told(cluster, load, lost):
    """A row is missing if and only if its commit lies in the WAL that the history gives up. (The
    WAL ends of rows that were committed at the same moment may include each other.)"""
    first, last = lsn_of(lost["from"]), lsn_of(lost["to"])
    expect(lost["bytes"] == last - first > 0, f"{lost}")
    acked, ends, truth = load.acked(), load.ends(), load.rows(cluster.wait_leader())
    missing = set(acked) - truth
    expect(missing, "no row is missing although WAL was lost")
    _assert_none_is_missing_before(lost, missing, ends)
    late = [n for n in missing if ends.get(n, first) > last]
    expect(not late, f"rows {late[:5]} are missing, but lie behind {lost}")
    strangers = truth - set(acked) - load.unknown()
    expect(not strangers, f"rows that nobody was told about: {sorted(strangers)[:5]}")
    for node in cluster.standbys():
        wait_until(f"{node} holding the rows of the leader", lambda: load.rows(node) == truth, 60)


def _edit(node, *settings):
    words = [word for setting in settings for word in ("-s", setting)]
    done = node.evergres("edit-config", "--force", *words, "--wait", timeout=120)
    expect(done.returncode == 0, f"edit-config {settings}: {done.stderr}{done.stdout}")


def _in_force(cluster, mode, voters):
    """The mode of the current policy, proven."""
    wait_until(f"a proven policy of durability {mode} with {voters} voters", lambda: (
        s := cluster.status()) and (s["phase"], s["durability"], len(s["voters"]), s["unproven"])
        == ("leading", mode, voters, 0), 60, cluster.brief)


def _crash_after(cluster, step):
    """Which agent reaches `step` kills itself, where a crash-once file arms it."""
    for node in cluster.nodes:
        node.environment["EVERGRES_TEST_CRASH_AFTER"] = step


@story(ci=True, own=True)
def durability_from_quorum_to_async_and_back(new_cluster):
    """edit-config changes the mode under writers: each time one change of the policy, in the same
    term. Back under quorum the leader dies without a warning. Whatever was acknowledged before is
    there, and nobody waits for a lease."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, term = cluster.leader(), cluster.status()["term"]
            _edit(leader, "durability=async", "max_loss=16MB")
            _in_force(cluster, "async", 0)
            load.wait_acks(50)
            shown = cluster.standbys()[0].evergres("show-config", "--cluster").stdout
            expect("max_loss: 16MB" in shown, shown)
            _edit(leader, "durability=quorum")
            _in_force(cluster, "quorum", 2)
            expect(cluster.status()["term"] == term, f"a new term: {cluster.brief()}")
            load.wait_acks(100)
            leader.kill_all()
            cluster.wait_leader(other_than=leader, above_term=term)
            load.wait_acks(50)
            for node in cluster.nodes:
                expect("its lease has not ended yet" not in node.log_text(), f"{node} waited")
            leader.start()
        _assert_nothing_was_given_up(cluster)


@story(own=True)
def leader_dies_before_async_is_proven(new_cluster):
    """The names are empty, the leader acknowledges alone, and dies before the record says that
    async is proven. A standby is chosen that has what was acknowledged under quorum: nothing of
    before the change is missing. What is missing of afterwards, the history tells."""
    with new_cluster(nodes=3) as cluster:
        _crash_after(cluster, "applied")
        cluster.create()
        load = Load(cluster, ends=True)
        try:
            load.wait_acks(100)
            leader, term = cluster.leader(), cluster.status()["term"]
            supervisor, armed = leader.supervisor(), leader.state / "crash-once"
            armed.touch()
            before = load.acked()
            done = leader.evergres("edit-config", "--force", "-s", "durability=async",
                                   "-s", "max_loss=64MB", timeout=60)
            expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
            wait_until("a crash in the policy change", lambda: not armed.exists(), 60,
                       cluster.brief, every=0.002)
            os.kill(supervisor, signal.SIGSTOP)
            leader.kill_all()
            new = cluster.wait_leader(other_than=leader, above_term=term)
            load.wait_acks(50)
            told = _told_of(cluster, leader, term)
            missing = set(before) - load.rows(new)
            expect(not missing, f"LOST of quorum: {sorted(missing)[:5]}")
            leader.start()
            entry = _measured(cluster, told["term"])
            cluster.wait_healthy()
        finally:
            load.stop()
        missing = set(load.acked()) - load.rows(cluster.wait_leader())
        _assert_none_is_missing_before(entry["lost"], missing, load.ends())


@story(ci=True, own=True)
def async_failover_within_max_loss(new_cluster):
    """The leader dies with commits that no standby has. After its lease the most advanced standby
    leads; the history says how much was lost, and says it exactly when the old leader is back, also
    if the agent that measured it dies between history and record."""
    with _cluster(new_cluster, "64MB") as cluster:
        _crash_after(cluster, "told")
        cluster.create()
        _async_leads(cluster)
        load = Load(cluster, ends=True)
        try:
            load.wait_acks(100)
            old = _stop_the_stream(cluster, load)
            term, standbys = cluster.status()["term"], cluster.standbys()
            old.kill_all()
            cluster.wait_leader(other_than=old, above_term=term)
            for node in standbys:
                expect("its lease has not ended yet" in node.log_text(), f"{node} did not wait")
            load.wait_acks(50)
            told = _told_of(cluster, old, term)
            expect(told["lost"]["bytes"] > 0, f"nothing was lost: {told}")
            expect(told["lost"]["silent_ms"] > 0, f"how long it was not heard: {told}")
            new = cluster.wait_leader()
            armed = new.state / "crash-once"
            armed.touch()
            old.start()
            wait_until("a crash between history and record", lambda: not armed.exists(), 60,
                       cluster.brief)
            wait_until(f"the next agent of {new}", new.status, 30, new.last_log_lines)
            entry = _measured(cluster, told["term"])
            expect(entry["lost"]["bytes"] >= told["lost"]["bytes"],
                   f"measured {entry['lost']}, told {told['lost']}")
            cluster.wait_healthy()  # the old leader rewinds only once the record has it too
            load.wait_acks(20)
        finally:
            load.stop()
        _assert_loss_is_as_told(cluster, load, entry["lost"])
        shown = cluster.leader().evergres("history").stdout
        expect(f"lost {entry['lost']['bytes']} bytes of {old.name}" in shown, shown)


@story(own=True)
def async_beyond_max_loss_waits_for_an_operator(new_cluster):
    """More is missing than max_loss allows: nobody leads by itself, explain says why, and an
    operator who accepts the loss gets a leader."""
    with _cluster(new_cluster, "1kB") as cluster:
        cluster.create()
        _async_leads(cluster)
        load = Load(cluster, ends=True)
        try:
            load.wait_acks(100)
            old = _stop_the_stream(cluster, load)
            term = cluster.status()["term"]
            first = cluster.standbys()[0]
            old.kill_all()
            quiet_until = time.monotonic() + 15
            while time.monotonic() < quiet_until:
                expect(cluster.leader() in (None, old), f"somebody leads: {cluster.brief()}")
                time.sleep(0.2)
            wait_until("explain naming max_loss", lambda: "max_loss is 1024 bytes"
                       in first.evergres("explain", "election").stdout, 20, first.explain)
            refused = first.evergres("failover", "--to", first.name, "--force")
            expect(refused.returncode != 0 and "--accept-data-loss" in refused.stderr,
                   f"{refused.stderr}{refused.stdout}")
            done = first.evergres("failover", "--accept-data-loss", "--force", timeout=120)
            expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
            cluster.wait_leader(other_than=old, above_term=term)
            load.wait_acks(50)
            forced = _told_of(cluster, old, term)
            expect(forced["kind"] == "forced failover" and forced["lost"]["bytes"] > 1024,
                   f"{forced}")
            old.start()
            entry = _measured(cluster, forced["term"])
            cluster.wait_healthy()
        finally:
            load.stop()
        _assert_loss_is_as_told(cluster, load, entry["lost"])


@story(own=True)
def async_loses_nothing_that_can_still_be_read(new_cluster):
    """To async and back under load; a switchover, a crash of the postmaster and the return of a
    killed leader lose nothing, because the leader itself is stopped and read."""
    with _cluster(new_cluster, "0") as cluster:
        cluster.create()
        _async_leads(cluster)
        with under_load(cluster) as load:
            first = cluster.leader()
            cluster.switchover(cluster.standbys()[0])
            cluster.wait_healthy()
            load.wait_acks(50)
            term = cluster.status()["term"]
            cluster.leader().kill("postmaster")
            cluster.wait_leader(above_term=term)
            load.wait_acks(50)
            for mode in ("quorum", "async"):
                for node in cluster.nodes:
                    node.settings["durability"] = mode
                    node.write_config()
                    done = node.evergres("reload", node.name, "--force")
                    expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
                wait_until(f"durability {mode}", lambda: (s := cluster.status())
                           and s["durability"] == mode and not s["unproven"], 60, cluster.brief)
                load.wait_acks(50)
            cluster.wait_healthy()
            expect(first.status(), "the first leader is gone")
        _assert_nothing_was_given_up(cluster)


@story(own=True)
def async_leader_without_the_store_stops(new_cluster):
    """Nobody can take over from an async leader before its lease has ended, so it must end: without
    the store it serves no longer than its grant. When the store is back somebody leads again, and
    nothing is lost."""
    with _cluster(new_cluster, "1MB") as cluster:
        cluster.create()
        _async_leads(cluster)
        with under_load(cluster) as load:
            leader = cluster.leader()
            with cluster.store_hidden():
                wait_until(f"{leader} stopped as primary", lambda: not (
                    (a := leader.try_sql("select pg_is_in_recovery()", "postgres", 5))
                    and a.stdout.strip() == "f"), 30, cluster.brief)
                before = len(load.acked())
                quiet_until = time.monotonic() + 4
                while time.monotonic() < quiet_until:
                    expect(len(load.acked()) == before, f"acknowledged: {cluster.brief()}")
                    time.sleep(0.2)
            cluster.wait_leader(seconds=90)
            load.wait_acks(50)


@story(own=True)
def async_node_frozen_past_its_lease(new_cluster):
    """The leader stands still, and another one leads after the lease. When it wakes up it is
    stopped, fenced, measured and rewound."""
    with _cluster(new_cluster, "unlimited") as cluster:
        cluster.create()
        _async_leads(cluster)
        load = Load(cluster, ends=True)
        try:
            load.wait_acks(50)
            old, term = cluster.leader(), cluster.status()["term"]
            old.freeze()
            try:
                new = wait_until("another open leader", lambda: (
                    l if (l := cluster.leader()) not in (None, old) else None), 60, cluster.brief)
                load.wait_acks(50)
            finally:
                old.thaw()
            _measured(cluster, new.status()["term"])
            cluster.wait_healthy()
            expect(cluster.status()["term"] > term, cluster.brief())
        finally:
            load.stop()
