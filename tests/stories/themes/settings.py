"""Settings: those of the whole cluster, and those that a standby may not have smaller than its
primary."""

import contextlib
import json
import socket
import sqlite3
import struct

from harness import expect, story, under_load, wait_until


def _run(node, *arguments, code=0, timeout=120):
    """One command; its output and errors."""
    done = node.evergres(*arguments, timeout=timeout)
    expect(done.returncode == code, f"evergres {' '.join(arguments)} on {node}: exit "
           f"{done.returncode}, {done.stderr}{done.stdout}")
    return done.stdout + done.stderr


def _edit(node, *arguments, **options):
    return _run(node, "edit-config", "--force", *arguments, **options)


def _value(node, name):
    answer = node.try_sql(f"show {name}", "postgres", 5)
    return answer.stdout.strip() if answer and answer.returncode == 0 else None


def _settings(cluster, node):
    """What the status of the cluster says of this node's settings."""
    status = cluster.status() or {"nodes": []}
    rows = [row for row in status["nodes"] if row["name"] == node.name]
    return (rows[0].get("settings") if rows else None) or {}


def _shows(node, value):
    answer = node.try_sql("show max_connections", "postgres", 5)
    return bool(answer) and answer.stdout.strip() == value


def _runs(cluster, node):
    """"warm": the node serves SQL and streams or leads. "cold": it streams, and PostgreSQL refuses
    readers because its limits are below those of the primary. "" otherwise."""
    leader = cluster.leader()
    if leader is None:
        return ""
    streams = node is leader or (a := leader.try_sql(
        "select 1 from pg_stat_replication where state = 'streaming' and application_name like "
        f"'evg_{node.name}_%'", "postgres", 5)) and a.stdout.strip()
    answer = node.try_sql("select 1", "postgres", 5)
    if not streams or not answer:
        return ""
    if answer.returncode == 0:
        return "warm"
    return "cold" if "Hot standby mode is disabled" in answer.stderr else ""


def _reason(cluster, node):
    """What `list` says of a node that serves no readers."""
    rows = [row for row in cluster.status()["nodes"] if row["name"] == node.name]
    return f"{rows[0]['why_not'] or ''} {rows[0]['doing']}" if rows else ""


def _all_run(cluster, load):
    """Every node streams; one that is cold has a reason to be, and list tells it."""
    for node in cluster.nodes:
        how = wait_until(f"{node} running", lambda: _runs(cluster, node), 180, cluster.brief)
        if how == "cold":
            expect("insufficient parameter settings" in node.server_log(), f"why is {node} cold?")
            wait_until(f"the reason why {node} serves no readers, in status",
                       lambda: "hot standby" in _reason(cluster, node)
                       or _runs(cluster, node) == "warm", 10,
                       lambda: f"{cluster.brief()}: {_reason(cluster, node)!r}")
    load.wait_acks(20)


@story()
def max_connections_raised_and_lowered(cluster):
    """Raised: standbys first. Lowered: the leader first; a node whose control file remembers more
    starts all the same (without serving readers) until the leader has the lower value too."""
    with under_load(cluster) as load:
        for value, leader_first in (("150", False), ("60", True), ("100", False)):
            leader = cluster.leader()
            order = sorted(cluster.nodes, key=lambda node: (node is leader) != leader_first)
            for node in order:
                node.parameters["max_connections"] = value
                node.stop()
                node.start()
                cluster.wait_leader()
                _all_run(cluster, load)
            cluster.wait_healthy(180)
            for node in cluster.nodes:
                wait_until(f"max_connections {value} on {node}",
                           lambda: _shows(node, value), 60)
            load.wait_acks(20)


@story(ci=True)
def a_parameter_reaches_every_node(cluster):
    """edit-config under load: every node has the value, nobody is disconnected, no term changes.
    What PostgreSQL or Evergres would refuse is refused before it is written, with what to do."""
    with under_load(cluster) as load:
        leader, term = cluster.leader(), cluster.status()["term"]
        postmasters = {node: node.postmaster() for node in cluster.nodes}
        would = _edit(leader, "-p", "work_mem=7MB", "--dry-run")
        expect("+     work_mem: '7MB'" in would and _value(leader, "work_mem") != "7MB", would)
        said = _edit(leader, "-p", "work_mem=7MB", "-p", "log_line_prefix=it's %m ", "--wait")
        expect("in force on every node" in said and "nobody is disconnected" in said, said)
        for node in cluster.nodes:
            expect(_value(node, "work_mem") == "7MB", f"{node}: {_value(node, 'work_mem')}")
            expect(node.postmaster() == postmasters[node], f"{node} was restarted")
        load.wait_acks(20)
        expect(cluster.status()["term"] == term, "the term changed")
        generation = cluster.status()["settings_generation"]
        for wrong, code, words in (
                (("-p", "work_mem=banana"), 2, "invalid value for parameter"),
                (("-p", "work_memm=8MB"), 2, 'Did you mean "work_mem"?'),
                (("-p", "fsync=off"), 2, "Evergres sets it itself"),
                (("-p", "synchronous_standby_names=x"), 2, "durability and acknowledgements"),
                (("-p", "shared_preload_libraries=nowhere"), 2, "does not exist"),
                (("-s", "acknowledgemnts=2"), 2, 'did you mean "acknowledgements"?'),
                (("-s", "allow=[{address: 0.0.0.0/0}]"), 2, "world_open"),
                (("-p", "max_connections=200", "-p", "max_wal_senders=12"), 3, "Raise first")):
            said = _edit(leader, *wrong, code=code)
            expect(words in said, said)
        expect(cluster.status()["settings_generation"] == generation, "a refused edit was written")
        shown = json.loads(_run(cluster.standbys()[0], "show-config", "-o", "json"))
        owners = {p["name"]: (p["value"], p["owner"]) for p in shown["parameters"]}
        expect(owners["work_mem"] == ("7MB", "cluster"), f"{owners['work_mem']}")
        expect("work_mem: '7MB'" in _run(leader, "show-config", "--cluster"), "not shown")
        _edit(leader, "-p", "work_mem=", "-p", "log_line_prefix=", "--wait")
        for node in cluster.nodes:
            expect(_value(node, "work_mem") == "4MB", f"{node}: {_value(node, 'work_mem')}")
        load.wait_acks(20)
    cluster.wait_healthy()


@story()
def settings_survive_a_lost_store_and_a_restart(cluster):
    """The store is away, and a node starts anew: it has the settings all the same. Two people edit
    at once: the later one is told, and nothing of hers is written. A document that nobody can read
    changes nothing."""
    with under_load(cluster) as load:
        leader, (node, _) = cluster.leader(), cluster.standbys()
        _edit(leader, "-p", "work_mem=9MB", "--wait")
        with cluster.store_hidden():
            node.kill("agent")
            node.kill("postmaster")
            wait_until(f"{node} with its settings", lambda: _value(node, "work_mem") == "9MB", 60)
            load.wait_acks(20)
        cluster.wait_healthy()
        before = cluster.status()["settings_generation"]
        stale = {"verb": "edit cluster settings", "text": "postgresql: {parameters: {work_mem: 1MB}}",
                 "expected": before - 1, "by": "somebody"}
        expect(leader.ask(**stale) is None, "a stale edit was taken")
        expect(cluster.status()["settings_generation"] == before, "it was written")
        with contextlib.closing(sqlite3.connect(cluster.store, timeout=30)) as db:
            done = db.execute("update entry set value = cast('{\"generation\": 99}' as blob) where "
                              f"key = cast('/evergres/{cluster.name}/spec' as blob)")
            db.commit()
            expect(done.rowcount == 1, "there is no such entry in the store")
        wait_until("the trouble in status", lambda: cluster.status().get("settings_trouble"), 30)
        expect("Settings:" in _run(leader, "list"), "list does not say it")
        for each in cluster.nodes:
            expect(_value(each, "work_mem") == "9MB", f"{each} lost its settings")
        said = _edit(leader, "-p", "work_mem=10MB", "--wait")
        expect("will be replaced" in said, said)
        expect(not cluster.status().get("settings_trouble"), f"{cluster.status()}")
        for each in cluster.nodes:
            expect(_value(each, "work_mem") == "10MB", f"{each}: {_value(each, 'work_mem')}")
        _edit(leader, "-p", "work_mem=", "--wait")
        load.wait_acks(20)


@story()
def a_limit_is_raised_and_lowered_by_edit_config(cluster):
    """max_connections: edit-config says that it waits for a restart, list shows it on every node,
    and the rolling restart takes the right order: raised on standbys first, lowered on the leader
    first. No node fails to start."""
    with under_load(cluster) as load:
        for value, before in (("150", "100"), ("80", "150"), ("", "80")):
            leader = cluster.leader()
            said = _edit(leader, "-p", f"max_connections={value}", "--wait")
            expect("max_connections" in said and "restart --pending" in said, said)
            value = value or "100"
            for node in cluster.nodes:
                wait_until(f"{node} saying what waits", lambda: f"max_connections: {before} -> "
                           f"{value}" in _settings(cluster, node).get("pending_restart", []), 30,
                           lambda: _settings(cluster, node))
                expect(_value(node, "max_connections") == before, f"{node} changed too early")
            listed = _run(leader, "list")
            expect(f"{leader.name} waits for a restart: max_connections" in listed, listed)
            said = _run(leader, "restart", "--if-pending", "--force", "--wait", timeout=400)
            first = said.find(f"{leader.name} leads term")
            others = [said.find(f"{node.name} was restarted") for node in cluster.nodes
                      if node is not leader]
            raised = int(value) > int(before)
            expect(min(others) >= 0 and first >= 0, said)
            expect(first > max(others) if raised else first < min(others), said)
            cluster.wait_healthy(180)
            for node in cluster.nodes:
                wait_until(f"max_connections {value} on {node}",
                           lambda: _value(node, "max_connections") == value, 60)
            load.wait_acks(20)
            said = _run(leader, "restart", "--pending", "--force")
            expect("No node has to be restarted" in said, said)


def _answer_to(node, source, user, database):
    """What PostgreSQL answers to the first packet of a session from an address of this machine:
    "password" if it asks for one (SCRAM), else the words of its refusal."""
    words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database)) + b"\0"
    packet = struct.pack("!ii", 8 + len(words), 196608) + words
    with socket.socket() as channel:
        channel.settimeout(10)
        channel.bind((source, 0))
        channel.connect(("127.0.0.1", node.postgres_port))
        channel.sendall(packet)
        answer = channel.recv(4096)
    if answer[:1] == b"R" and struct.unpack("!i", answer[5:9])[0] == 10:
        return "password"
    return answer.decode(errors="replace")


@story(ci=True)
def an_allow_line_opens_exactly_what_it_says(cluster):
    """One address, one database, one user: on every node, from the next connection on. Not another
    address, database or user, never the superuser or replication, and nothing after it is gone."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        _edit(leader, "--wait", "-s", "allow=[{address: 127.0.0.9/32, database: app, user: app}]")
        for node in cluster.nodes:
            wait_until(f"{node} letting 127.0.0.9 in",
                       lambda: _answer_to(node, "127.0.0.9", "app", "app") == "password", 10,
                       lambda: _answer_to(node, "127.0.0.9", "app", "app"))
            for source, user, database in (("127.0.0.8", "app", "app"),
                                           ("127.0.0.9", "app", "postgres"),
                                           ("127.0.0.9", "postgres", "app"),
                                           ("127.0.0.9", "evergres_replication", "app")):
                answer = _answer_to(node, source, user, database)
                expect("pg_hba.conf rejects" in answer, f"{source} {user} {database}: {answer}")
            expect(_answer_to(node, "127.0.0.1", "app", "app") == "password", "loopback is closed")
        hba = {(node.data / "pg_hba.conf").read_text() for node in cluster.nodes}
        expect(len(hba) == 1, f"not the same everywhere: {hba}")
        cluster.switchover(cluster.standbys()[0])
        cluster.wait_healthy()
        leader = cluster.leader()
        expect(_answer_to(leader, "127.0.0.9", "app", "app") == "password", "lost by a switchover")
        _edit(leader, "-s", "allow=", "--wait")
        for node in cluster.nodes:
            wait_until(f"{node} keeping 127.0.0.9 out", lambda: "pg_hba.conf rejects" in
                       _answer_to(node, "127.0.0.9", "app", "app"), 10)
        load.wait_acks(20)


@story()
def acknowledgements_and_durability_of_the_cluster(cluster):
    """Declared for all nodes: the leader changes its policy, under load and without a new term,
    and the next leader has it too. Taken away again, node.yaml decides."""
    with under_load(cluster) as load:
        leader, term = cluster.leader(), cluster.status()["term"]

        def wait_policy(k, durability):
            wait_until(f"{durability} with {k} acknowledgements", lambda: (s := cluster.status())
                       and (s["k"], s["wanted_k"], s["durability"], s["unproven"])
                       == (k, k, durability, 0), 30, cluster.brief)

        _edit(leader, "-s", "acknowledgements=2", "-s", "durability=strict", "--wait")
        wait_policy(2, "strict")
        load.wait_acks(20)
        expect(cluster.status()["term"] == term, "the term changed")
        cluster.switchover(cluster.standbys()[0])
        wait_policy(2, "strict")
        load.wait_acks(20)
        leader = cluster.leader()
        _edit(leader, "-s", "durability=quorum", "-s", "acknowledgements=", "--wait")
        wait_policy(1, "quorum")
        _edit(leader, "-s", "durability=", "--wait")
        load.wait_acks(20)
    cluster.wait_healthy()


@story()
def alter_system_is_shown_then_adopted_or_reverted(cluster):
    """ALTER SYSTEM and an edited postgresql.conf on one node show in list. --revert takes them
    back, --adopt makes them the cluster's. What Evergres owns is taken back at once."""
    with under_load(cluster) as load:
        leader, (node, _) = cluster.leader(), cluster.standbys()

        def alter(where, name, value):
            where.sql(f"alter system set {name} = '{value}'", "postgres")
            where.sql("select pg_reload_conf()", "postgres")

        alter(leader, "work_mem", "11MB")
        with (node.data / "postgresql.conf").open("a") as conf:
            conf.write("deadlock_timeout = '7s'\n")
        wait_until("the altered setting in status", lambda: _settings(cluster, leader).get(
            "altered") == {"work_mem": "11MB"}, 30, lambda: _settings(cluster, leader))
        wait_until("the edited file in status", lambda: any("deadlock_timeout" in line for line in
                   _settings(cluster, node).get("edited", [])), 30,
                   lambda: _settings(cluster, node))
        listed = _run(leader, "list")
        expect("altered by ALTER SYSTEM" in listed and "deadlock_timeout" in listed, listed)
        _edit(leader, "--revert", "--wait")
        wait_until("the altered setting gone", lambda: _value(leader, "work_mem") == "4MB", 10)
        expect("deadlock_timeout" not in (node.data / "postgresql.conf").read_text(), "still there")
        expect(not _settings(cluster, leader).get("altered"), f"{_settings(cluster, leader)}")
        alter(leader, "work_mem", "12MB")
        wait_until("it in status", lambda: _settings(cluster, leader).get("altered"), 30)
        said = _edit(leader, "--adopt", "--wait")
        expect(f"{leader.name}: work_mem = 12MB" in said, said)
        for each in cluster.nodes:
            wait_until(f"it on {each}", lambda: _value(each, "work_mem") == "12MB", 10)
        expect("work_mem" not in (leader.data / "postgresql.auto.conf").read_text(), "twice")
        alter(leader, "wal_retrieve_retry_interval", "9s")
        wait_until("what Evergres owns taken back", lambda: _value(
            leader, "wal_retrieve_retry_interval") == "100ms", 30)
        _edit(leader, "-p", "work_mem=", "--wait")
        load.wait_acks(20)
    cluster.wait_healthy()
