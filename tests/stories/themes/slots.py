"""Replication slots: permanent ones that outlive a failover, and those of nodes that are far
behind."""

import json
import os
import signal
import subprocess
import threading

import psycopg2

from harness import expect, story, wait_until
from harness.cluster import as_server_user, newest_postgres, own

SEGMENT = 16 << 20


def _edit(node, *arguments):
    done = node.evergres("edit-config", "--force", *arguments, timeout=120)
    expect(done.returncode == 0, f"edit-config {arguments}: {done.stderr}{done.stdout}")
    return done.stdout + done.stderr


def _slot(node, name):
    """restart_lsn in bytes, active and wal_status of a slot as PostgreSQL says; None without it."""
    answer = node.try_sql("select restart_lsn - '0/0'::pg_lsn, active, coalesce(wal_status, '')"
                          f" from pg_replication_slots where slot_name = '{name}'", "postgres", 5)
    if not answer or answer.returncode != 0 or not answer.stdout.strip():
        return None
    restart, active, status = answer.stdout.strip().split("|")
    return {"restart": int(restart or 0), "active": active == "t", "status": status}


def _told(cluster, name):
    """What the leader's status says of a slot; only the leader knows why it could not make one."""
    slots = ((cluster.leader() or cluster).status() or {}).get("slots") or []
    return next((slot for slot in slots if slot["name"] == name), None)


def _segments(leader, count):
    """Writes something into each of so many segments of WAL."""
    for _ in range(count):
        leader.sql("select pg_logical_emit_message(false, 'story', repeat('x', 1000))", "postgres")
        leader.sql("select pg_switch_wal()", "postgres")


def _checkpoints(cluster):
    """Twice, with WAL in between: no server has a reason of its own to keep old segments."""
    leader = cluster.leader()
    for _ in range(2):
        _segments(leader, 1)
        leader.sql("checkpoint", "postgres")
        end = leader.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
        for node in cluster.standbys():
            wait_until(f"replay on {node}", lambda: node.sql(
                f"select pg_last_wal_replay_lsn() >= '{end}'", "postgres") == ["t"], 60)
            node.sql("checkpoint", "postgres")


def _password_of(cluster, user):
    """A password for this user on every node, and the options of libpq that find it."""
    path = cluster.directory / f"{user}.pgpass"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"*:*:*:{user}:{cluster.password}\n")
        own(path)
    return f"user={user} passfile={path}"


class Receiver:
    """pg_receivewal from whoever is primary: on its socket, as an operator runs it on a member, or
    over TCP as a user with a password."""

    def __init__(self, cluster, slot, tcp_user=None):
        self.directory = cluster.directory / f"received-{slot}-by-{tcp_user}"
        self.directory.mkdir(exist_ok=True)
        own(self.directory)
        hosts = ",".join("127.0.0.1" if tcp_user else str(node.run_directory)
                         for node in cluster.nodes)
        ports = ",".join(str(node.postgres_port) for node in cluster.nodes)
        user = _password_of(cluster, tcp_user) if tcp_user else "user=postgres"
        self.argv = [str(newest_postgres() / "pg_receivewal"), "-D", str(self.directory),
                     "-S", slot, "-s", "1", "-d", f"host={hosts} port={ports} {user} "
                     "target_session_attrs=primary"]
        self.popen, self.log = None, self.directory.with_suffix(".log")

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(as_server_user(self.argv), stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL, cwd="/")

    def stop(self):
        self.popen.send_signal(signal.SIGINT)  # 15 obeys no SIGTERM: it would die in a half file
        self.popen.wait(timeout=30)

    def complete(self):
        """Segments by number, each with its name; those that were not finished have a suffix."""
        found = [p for p in self.directory.iterdir() if len(p.name) == 24]
        return {int(p.name[8:16], 16) * 256 + int(p.name[16:], 16): p for p in sorted(found)}

    def expect_all_as_on(self, server, first):
        """No segment from `first` on is missing, and what the server still has is the same."""
        got = self.complete()
        expect(sorted(n for n in got if n >= first) == list(range(first, max(got) + 1)),
               f"a gap: {[p.name for p in got.values()]}")
        same = 0
        for path in got.values():
            kept = server.data / "pg_wal" / path.name
            if kept.exists():
                same += 1
                expect(kept.read_bytes() == path.read_bytes(),
                       f"{path.name} differs from the server's")
        expect(same >= 2, f"only {same} segments to compare")

    def wait_past(self, position):
        wait_until(f"received up to segment {position // SEGMENT}",
                   lambda: position // SEGMENT - 1 in self.complete(), 90,
                   lambda: (sorted(p.name for p in self.directory.iterdir()),
                            self.log.read_text()[-2000:]))


def _end(node):
    return int(node.sql("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn", "postgres")[0])


@story(ci=True)
def a_receiver_of_wal_continues_after_a_failover(cluster):
    """pg_receivewal was away while segments were written and recycled and the leader died: the slot
    is on the next leader, has kept everything, and no byte is missing."""
    leader = cluster.leader()
    _edit(leader, "-s", "slots={archive: {type: physical}}", "-p", "wal_keep_size=0", "--wait")
    for node in cluster.nodes:
        wait_until(f"the slot on {node}", lambda: _slot(node, "archive"), 40)
    receiver = Receiver(cluster, "archive")
    receiver.start()
    _segments(leader, 3)
    end = _end(leader)
    receiver.wait_past(end)
    wait_until("its confirmation", lambda: _slot(leader, "archive")["restart"] >= end - SEGMENT, 60)
    first = min(receiver.complete())
    for node in cluster.standbys():
        wait_until(f"the slot of {node} follows", lambda: abs(_slot(leader, "archive")["restart"]
                   - _slot(node, "archive")["restart"]) < SEGMENT, 60,
                   lambda: (_slot(leader, "archive"), _slot(node, "archive")))
    receiver.stop()
    confirmed = _slot(leader, "archive")["restart"]
    expect(confirmed >= end - SEGMENT, f"{confirmed} went back from {end}")
    _segments(leader, 5)
    _checkpoints(cluster)
    for node in cluster.standbys():
        expect(_slot(node, "archive")["restart"] <= confirmed,
               f"{node} is beyond what was confirmed: {_slot(node, 'archive')}, {confirmed}")
    term = cluster.status()["term"]
    leader.kill_all()
    new = cluster.wait_leader(other_than=leader, above_term=term)
    leader.start()
    _segments(new, 2)
    new.sql("checkpoint", "postgres")
    receiver.start()
    receiver.wait_past(_end(new))
    wait_until("the consumer in the status",
               lambda: (_told(cluster, "archive") or {}).get("active"), 40,
               lambda: _told(cluster, "archive"))
    receiver.stop()
    receiver.expect_all_as_on(new, first)
    cluster.wait_healthy()
    _edit(new, "-s", "slots=", "-p", "wal_keep_size=", "--wait")
    for node in cluster.nodes:
        wait_until(f"no slot on {node}", lambda: _slot(node, "archive") is None, 60,
                   lambda: _slot(node, "archive"))


@story()
def a_receiver_over_tcp_goes_on_after_a_failover(cluster):
    """A line of allow lets one user by name receive WAL over TCP. Its pg_receivewal is left alone
    while the leader dies: it goes on from the next one, and no byte is missing."""
    leader = cluster.leader()
    leader.sql(f"create role archiver replication login password '{cluster.password}'", "postgres")
    everybody = leader.evergres("edit-config", "--force", "-s",
                                "allow=[{address: 127.0.0.1/32, database: replication}]")
    expect(everybody.returncode != 0 and "names no user" in everybody.stderr, everybody.stderr)
    receiver = Receiver(cluster, "archive", "archiver")
    line = "{address: 127.0.0.1/32, database: replication, user: archiver}"
    _edit(leader, "-s", "slots={archive: {type: physical}}", "-s", f"allow=[{line}]",
          "-p", "wal_keep_size=0", "--wait")
    for node in cluster.nodes:
        wait_until(f"the slot on {node}", lambda: _slot(node, "archive"), 40)
    stranger = subprocess.run(as_server_user(
        [*Receiver(cluster, "archive", "app").argv, "--no-loop"]), capture_output=True, text=True,
        timeout=60, check=False, cwd="/")
    expect(stranger.returncode != 0 and "pg_hba.conf rejects" in stranger.stderr, stranger.stderr)
    receiver.start()
    _segments(leader, 3)
    receiver.wait_past(_end(leader))
    first = min(receiver.complete())
    for node in cluster.standbys():
        wait_until(f"the slot of {node} follows", lambda: abs(_slot(leader, "archive")["restart"]
                   - _slot(node, "archive")["restart"]) < SEGMENT, 60,
                   lambda: (_slot(leader, "archive"), _slot(node, "archive")))
    # Where a timeline ends exactly with a segment, pg_receivewal does not go on: it asks for what
    # comes behind and takes the answer that there is nothing for an error.
    leader.sql("select pg_logical_emit_message(true, 'story', 'within a segment')", "postgres")
    term = cluster.status()["term"]
    leader.kill_all()
    new = cluster.wait_leader(other_than=leader, above_term=term)
    leader.start()
    _segments(new, 3)
    receiver.wait_past(_end(new))
    expect(receiver.popen.poll() is None, f"it ended: {receiver.log.read_text()[-2000:]}")
    receiver.stop()
    receiver.expect_all_as_on(new, first)
    cluster.wait_healthy()
    _edit(new, "-s", "slots=", "-s", "allow=", "-p", "wal_keep_size=", "--wait")
    for node in cluster.nodes:
        wait_until(f"no slot on {node}", lambda: _slot(node, "archive") is None, 60)
    new.sql("drop role archiver", "postgres")


@story()
def slots_of_others_are_never_touched(cluster):
    """A slot that somebody made by hand stays when its name is declared and taken away again; the
    status says how it is dropped. What cannot be a slot is refused."""
    leader = cluster.leader()
    for wrong, word in (("slots={evg_n1: {type: physical}}", "those of the nodes"),
                        ("slots={a: {typ: physical}}", "did you mean"),
                        ("slots={a: {type: logical}}", "names no database"),
                        ("slots={a: {type: logical, database: app}}", "wal_level")):
        done = leader.evergres("edit-config", "--force", "-s", wrong)
        expect(done.returncode != 0 and word in done.stderr, f"{wrong}: {done.stderr}")
    done = leader.evergres("edit-config", "--force", "-p", "max_replication_slots=3", "-s",
                           "slots={a: {type: physical}, b: {type: physical}}")
    expect(done.returncode != 0 and "no room for 4 slots" in done.stderr, done.stderr)
    leader.sql("select pg_create_physical_replication_slot('byhand', true)", "postgres")
    _edit(leader, "-s", "slots={byhand: {type: physical}, ours: {type: physical}}", "--wait")
    for node in cluster.nodes:
        wait_until(f"the slot on {node}", lambda: _slot(node, "ours"), 40)
    wait_until("who made it", lambda: "made by others" in (_told(cluster, "byhand") or {}).get(
        "note", ""), 30, lambda: _told(cluster, "byhand"))
    listed = leader.evergres("list").stdout
    expect("pg_drop_replication_slot('byhand')" in listed, listed)
    answer = json.loads(leader.http("/config")[1])
    expect(answer["slots"]["ours"] == {"type": "physical"}, f"{answer}")
    user = (cluster.http_user, cluster.http_password)
    code, text = leader.http("/config", "PATCH", 30, json.dumps(
        {"slots": {"byhand": None, "ours": None}}), user)
    expect(code == 200, f"{code} {text}")
    for node in cluster.nodes:
        wait_until(f"ours gone on {node}", lambda: _slot(node, "ours") is None, 60)
    expect(_slot(leader, "byhand"), "a slot of others was dropped")
    leader.sql("select pg_drop_replication_slot('byhand')", "postgres")
    for node in cluster.standbys():
        wait_until(f"no copy on {node}", lambda: _slot(node, "byhand") is None, 60)


class _Writer(threading.Thread):
    """Inserts rows that remember the timeline on which they were written."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.dsn, self.ended = cluster.dsn(), threading.Event()

    def run(self):
        connection = None
        while not self.ended.is_set():
            try:
                if connection is None:
                    connection = psycopg2.connect(self.dsn)
                    connection.autocommit = True
                connection.cursor().execute("insert into cdc default values")
            except psycopg2.Error:
                connection = None


@story(own=True)
def a_logical_slot_is_there_after_a_switchover(make_cluster):
    """The next leader has the logical slot before it admits writers: every row that it takes is in
    it. What the consumer had not fetched before is not, and everybody says so."""
    with make_cluster(nodes=3) as cluster:
        for node in cluster.nodes:
            node.parameters["wal_level"] = "logical"
        cluster.create()
        leader = cluster.leader()
        leader.sql("create table cdc(id serial primary key, tl text default "
                   "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8));"
                   "grant all on cdc, cdc_id_seq to app")
        _edit(leader, "-s", "slots={cdc: {type: logical, database: app, plugin: test_decoding}}",
              "--wait")
        wait_until("the slot", lambda: _slot(leader, "cdc"), 40)
        leader.sql("insert into cdc default values")
        fetch = "select data from pg_logical_slot_get_changes('cdc', null, null)"
        expect(any("INSERT" in line for line in leader.sql(fetch)), "the slot shows nothing")
        writer = _Writer(cluster)
        writer.start()
        new = cluster.standbys()[0]
        cluster.switchover(new)
        at_once = _slot(new, "cdc")
        expect(at_once, "the new leader has no slot")
        timeline = new.sql("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")[0]
        count = f"select count(*) from cdc where tl = '{timeline}'"
        wait_until("rows of the new leader", lambda: int(new.sql(count)[0]) > 50, 30)
        writer.ended.set()
        writer.join(timeout=30)
        rows = set(new.sql(f"select id from cdc where tl = '{timeline}'"))
        seen = {line.split("id[integer]:")[1].split(" ")[0] for line in new.sql(fetch)
                if "INSERT" in line}
        expect(rows <= seen, f"not in the slot: {sorted(rows - seen)[:10]} of {len(rows)}")
        wait_until("the note in the status",
                   lambda: "made anew" in (_told(cluster, "cdc") or {}).get("note", ""), 30,
                   lambda: _told(cluster, "cdc"))
        wait_until("list saying it", lambda: "cdc: made anew" in leader.evergres("list").stdout, 20)
        expect(any("cdc was made anew" in fact for fact in cluster.history()[-1]["facts"]),
               f"{cluster.history()[-1]}")
        expect("made anew" in new.evergres("explain", "node", new.name).stdout, "explain is silent")
        wait_until("no stale slot on the old leader", lambda: _slot(leader, "cdc") is None, 60)
        row = new.sql("insert into cdc default values returning id")[0]
        before = new.postmaster()
        done = new.evergres("restart", new.name, "--force", "--wait", timeout=120)
        expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
        cluster.wait_healthy()
        expect(cluster.leader() is new and new.postmaster() != before, cluster.brief())
        expect(any(f"id[integer]:{row} " in line for line in new.sql(fetch)),
               "the restart of its leader made the slot anew, although nobody else led")
        done = new.evergres("edit-config", "--force", "-s", "slots=", "-p", "wal_level=replica")
        expect(done.returncode != 0 and "the logical slot cdc" in done.stderr,
               f"then no start would succeed: {done.stderr}")


def _missing(cluster, name):
    """What the status says of a declared slot while it is not there."""
    told = _told(cluster, name) or {}
    return told.get("note", "") if told.get("wal_status") == "" else ""


@story(own=True)
def a_prepared_transaction_does_not_keep_the_cluster_closed(make_cluster):
    """A logical slot cannot be made while a transaction from before it is open: the next leader
    opens without it and says so, makes it when it can, and tells its consumer what it lacks. So it
    does when the plugin is another one."""
    with make_cluster(nodes=2) as cluster:
        for node in cluster.nodes:
            node.parameters |= {"wal_level": "logical", "max_prepared_transactions": "5"}
        cluster.create()
        leader, (new,) = cluster.leader(), cluster.standbys()
        leader.sql("create table cdc(id serial primary key)")
        for plugin in ("pgoutput", "test_decoding"):
            declared = f"type: logical, database: app, plugin: {plugin}"
            _edit(leader, "-s", f"slots={{cdc: {{{declared}}}}}", "--wait")
            wait_until(f"the slot with {plugin}", lambda: leader.sql(
                "select plugin from pg_replication_slots where slot_name = 'cdc'") == [plugin], 60)
            if plugin == "pgoutput":
                expect(_told(cluster, "cdc")["note"] == "", f"the first: {_told(cluster, 'cdc')}")
        wait_until("a note that stays", lambda: _told(cluster, "cdc")["note"].startswith(
            "made anew at"), 30, lambda: _told(cluster, "cdc"))
        leader.sql("begin; insert into cdc default values; prepare transaction 'long'")
        cluster.switchover(new)
        expect(_slot(new, "cdc") is None, f"made in spite of the transaction: {_slot(new, 'cdc')}")
        facts = cluster.history()[-1]["facts"]
        expect(any("cdc could not be made before writers" in fact for fact in facts), f"{facts}")
        row = new.sql("insert into cdc default values returning id")[0]
        wait_until("the reason in the status", lambda: "open transaction" in (
            said := _missing(cluster, "cdc")) and "statement timeout" in said, 60,
                   lambda: _told(cluster, "cdc"))
        wait_until("no stale slot on the old leader", lambda: _slot(leader, "cdc") is None, 60)
        new.sql("commit prepared 'long'")
        wait_until("the slot", lambda: _slot(new, "cdc"), 60, lambda: _told(cluster, "cdc"))
        term = cluster.status()["term"]
        wait_until("what its consumer lacks", lambda: f"in term {term}: changes before" in
                   _told(cluster, "cdc")["note"], 30, lambda: _told(cluster, "cdc"))
        seen = "".join(new.sql("select data from pg_logical_slot_get_changes('cdc', null, null)"))
        expect(f"id[integer]:{row} " not in seen, "then it lacks nothing")


@story(own=True)
def a_logical_slot_goes_where_its_server_could_not_start(make_cluster):
    """PostgreSQL does not start with a logical slot when wal_level is lower. Evergres takes its own
    away first; the status says why the slot is missing, and what it lacks when it is back."""
    with make_cluster(nodes=1) as cluster:
        node = cluster.nodes[0]
        node.parameters["wal_level"] = "logical"
        cluster.create()
        _edit(node, "-s", "slots={cdc: {type: logical, database: app, plugin: test_decoding}}",
              "--wait")
        wait_until("a slot of ours", lambda: (_told(cluster, "cdc") or {}).get("wal_status")
                   and not _told(cluster, "cdc")["note"], 40, lambda: _told(cluster, "cdc"))
        node.stop()
        node.parameters["wal_level"] = "replica"
        node.start()
        cluster.wait_leader()
        expect(_slot(node, "cdc") is None, f"{_slot(node, 'cdc')}")
        expect("removed the logical slot cdc: wal_level" in node.log_text(), "not in the log")
        wait_until("the reason in the status", lambda: "requires wal_level >= logical" in
                   _missing(cluster, "cdc"), 60, lambda: _told(cluster, "cdc"))
        node.stop()
        node.parameters["wal_level"] = "logical"
        node.start()
        cluster.wait_leader()
        wait_until("the slot", lambda: _slot(node, "cdc"), 60, lambda: _told(cluster, "cdc"))
        wait_until("what its consumer lacks", lambda: "made anew" in _told(cluster, "cdc")["note"],
                   30, lambda: _told(cluster, "cdc"))


@story(own=True)
def a_leader_without_room_for_declared_slots_leads(make_cluster):
    """The node that is promoted has room for the slots of the others and for one more: it leads,
    the others stream, and the status says which declared slot is missing and why."""
    with make_cluster(nodes=3) as cluster:
        small = cluster.nodes[1]
        small.parameters["max_replication_slots"] = "3"
        cluster.create()
        leader = cluster.leader()
        _edit(leader, "-s", "slots={first: {type: physical}, second: {type: physical}}", "--wait")
        for name in ("first", "second"):
            wait_until(f"{name} on {small}", lambda: _slot(small, name), 60)
        cluster.switchover(small)
        cluster.wait_healthy()
        expect(cluster.leader() is small, cluster.brief())
        expect("max_replication_slots has no room: the permanent slot" in small.log_text(),
               "not in the log")
        there = lambda: [name for name in ("first", "second") if _slot(small, name)]
        wait_until("the one that fits", lambda: len(there()) == 1, 60, there)
        missing = ({"first", "second"} - set(there())).pop()
        wait_until(f"why {missing} is missing", lambda: "all replication slots are in use" in
                   _missing(cluster, missing), 60, lambda: _told(cluster, missing))
        expect(f"slot {missing}: not made" in small.evergres("list").stdout, "list is silent")
        cluster.switchover(leader)
        cluster.wait_healthy()
        for name in ("first", "second"):
            wait_until(f"{name} where there is room", lambda: _slot(leader, name), 60)


@story(own=True)
def a_straggler_that_streams_gives_up_its_slot(make_cluster):
    """A node without a vote receives too slowly and is beyond the limit: its slot is dropped under
    its eyes and the log says so. Its WAL is gone then, and it comes back by a clone."""
    with make_cluster(nodes=3) as cluster:
        cluster.create()
        leader, (slow, voter) = cluster.leader(), cluster.standbys()
        slow.settings["tags"] = json.dumps({"nosync": True})
        slow.write_config()
        done = slow.evergres("reload", "--force")
        expect(done.returncode == 0, done.stderr)
        wait_until(f"{slow} without a vote", lambda: (s := cluster.status()) and
                   s["voters"] == [voter.name] and not s["unproven"], 60, cluster.brief)
        _edit(leader, "-s", "member_slot_limit=40MB", "-p", "wal_keep_size=0", "--wait")
        name = f"evg_{slow.name}"
        wait_until(f"{slow} streaming", lambda: (_slot(leader, name) or {}).get("active"), 60)
        incarnation = (slow.data / "evergres.incarnation").read_text()
        needed = leader.sql("select pg_walfile_name(pg_current_wal_lsn())", "postgres")[0]
        receiver = wait_until("its receiver", lambda: slow.postgres_called("walreceiver"), 30)[0]
        os.kill(receiver, signal.SIGSTOP)
        _segments(leader, 2)
        expect(_slot(leader, name)["active"], "the slot went before its limit")
        _segments(leader, 3)
        leader.sql("checkpoint", "postgres")
        expect((leader.data / "pg_wal" / needed).exists(), "the slot kept nothing")
        says = "bytes behind, streaming; it may need a clone or a rewind"
        wait_until("the release in the log", lambda: says in leader.log_text(), 60)

        def is_gone():
            _segments(leader, 1)
            leader.sql("checkpoint", "postgres")
            return not (leader.data / "pg_wal" / needed).exists()
        wait_until(f"{needed} removed", is_gone, 60, lambda: _slot(leader, name), every=1)
        os.kill(receiver, signal.SIGCONT)
        wait_until(f"{slow} streaming again", lambda: (_slot(leader, name) or {}).get("active")
                   and (slow.data / "evergres.incarnation").read_text() != incarnation, 120,
                   lambda: (_slot(leader, name), cluster.brief()))
        expect("no longer has the WAL that we need next" in slow.log_text(), "no reason in its log")
        end = leader.sql("select pg_current_wal_flush_lsn()", "postgres")[0]
        replayed = f"select pg_last_wal_replay_lsn() >= '{end}'"
        wait_until(f"replay on {slow}", lambda: (done := slow.try_sql(replayed, "postgres", 5))
                   and done.stdout.strip() == "t", 120, cluster.brief)


@story()
def a_node_beyond_member_slot_limit_gives_up_its_slot(cluster):
    """The slot of a node that is away and beyond the limit is dropped, that of a voter is not;
    back, the node comes by itself to where it belongs."""
    leader, (away, voter) = cluster.leader(), cluster.standbys()
    _edit(leader, "-s", "member_slot_limit=40MB", "-p", "wal_keep_size=0", "--wait")
    away.kill_all()
    wait_until(f"{away} out of the policy", lambda: (s := cluster.status())
               and away.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
    name = f"evg_{away.name}"
    _segments(leader, 2)
    expect(_slot(leader, name), "the slot went before its limit")
    _segments(leader, 3)
    wait_until("no slot for it", lambda: _slot(leader, name) is None, 60,
               lambda: _slot(leader, name))
    log = "".join(p.read_text(errors="replace") for p in leader.directory.rglob("*.log"))
    expect("release_the_wal_of_stragglers" in log and "may need a clone" in log, "not in the log")
    wait_until("explain says it", lambda: "member_slot_limit" in leader.evergres(
        "explain", "node", away.name).stdout, 30)
    expect(_slot(leader, f"evg_{voter.name}"), "the slot of a voter was dropped")
    _segments(leader, 2)
    leader.sql("checkpoint", "postgres")
    expect(_slot(leader, name) is None, "it came back while its node is away")
    away.start()
    cluster.wait_healthy(seconds=180)
    wait_until("a slot again", lambda: (_slot(leader, name) or {}).get("active"), 60)
    _edit(leader, "-s", "member_slot_limit=", "-p", "wal_keep_size=", "--wait")
    cluster.wait_healthy()
