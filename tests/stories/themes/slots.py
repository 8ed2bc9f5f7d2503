"""Replication slots: permanent ones that outlive a failover, and those of nodes that are far
behind."""

import json
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
    """What the status says of a slot of the leader."""
    slots = (cluster.status() or {}).get("slots") or []
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


class Receiver:
    """pg_receivewal on the socket of whoever is primary, as an operator runs it on a member."""

    def __init__(self, cluster, slot):
        self.directory = cluster.directory / f"received-{slot}"
        self.directory.mkdir(exist_ok=True)
        own(self.directory)
        hosts = ",".join(str(node.run_directory) for node in cluster.nodes)
        ports = ",".join(str(node.postgres_port) for node in cluster.nodes)
        self.argv = [str(newest_postgres() / "pg_receivewal"), "-D", str(self.directory),
                     "-S", slot, "-s", "1", "-d", f"host={hosts} port={ports} user=postgres "
                     "target_session_attrs=primary"]
        self.popen, self.log = None, self.directory.with_suffix(".log")

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(as_server_user(self.argv), stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL, cwd="/")

    def stop(self):
        self.popen.terminate()
        self.popen.wait(timeout=30)

    def complete(self):
        """Segments by number, each with its name; those that were not finished have a suffix."""
        found = [p for p in self.directory.iterdir() if len(p.name) == 24]
        return {int(p.name[8:16], 16) * 256 + int(p.name[16:], 16): p for p in sorted(found)}

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
    got = receiver.complete()
    expect(sorted(got) == list(range(first, max(got) + 1)),
           f"a gap: {[p.name for p in got.values()]}")
    same = 0
    for path in got.values():
        kept = new.data / "pg_wal" / path.name
        if kept.exists():
            same += 1
            expect(kept.read_bytes() == path.read_bytes(), f"{path.name} differs from the server's")
    expect(same >= 2, f"only {same} segments to compare")
    cluster.wait_healthy()
    _edit(new, "-s", "slots=", "-p", "wal_keep_size=", "--wait")
    for node in cluster.nodes:
        wait_until(f"no slot on {node}", lambda: _slot(node, "archive") is None, 60,
                   lambda: _slot(node, "archive"))


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
        expect("slot cdc: made anew" in leader.evergres("list").stdout, "list does not say it")
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
