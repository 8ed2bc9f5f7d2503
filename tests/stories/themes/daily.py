"""What operators do every day: look, pause, reload, restart, make anew, decide again."""

import contextlib
import json

import psycopg2

from harness import expect, story, under_load, wait_until


def _run(node, *arguments, timeout=120):
    done = node.evergres(*arguments, timeout=timeout)
    expect(done.returncode == 0,
           f"evergres {' '.join(arguments)} on {node}: {done.stderr}{done.stdout}")
    return done.stdout


def _refused(node, *arguments):
    done = node.evergres(*arguments)
    expect(done.returncode == 3, f"{arguments}: exit {done.returncode}, {done.stderr}{done.stdout}")
    return done.stderr


def _stays_leaderless(cluster, nodes):
    """Each of the nodes has decided, knowing that nobody is in charge, to wait for the resume."""
    for node in nodes:
        wait_until(f"{node} saying that nobody is promoted", lambda: "nobody is in charge, and "
                   "nobody is promoted while the cluster is paused" in node.explain(), 60,
                   lambda: node.explain() or cluster.brief())


@story(ci=True)
def nobody_is_promoted_in_a_pause(cluster):
    """The leader dies while the cluster is paused: nobody takes its place, nor does it when it
    comes back, until the pause ends. Then somebody is elected at once and nothing is lost."""
    with under_load(cluster) as load:
        leader, standbys = cluster.leader(), cluster.standbys()
        term = cluster.status()["term"]
        _run(leader, "pause", "--wait", "--force")
        for node in cluster.nodes:
            expect(node.status()["paused"], f"{node} does not know of the pause")
        expect("PAUSED" in _run(leader, "list"), "list does not say it")
        load.wait_acks(20)
        leader.kill_all()
        _stays_leaderless(cluster, standbys)
        leader.start()
        wait_until(f"{leader} as a standby", lambda: (a := leader.try_sql(
            "select pg_is_in_recovery()", "postgres", 5)) and a.stdout.strip() == "t", 60)
        _stays_leaderless(cluster, cluster.nodes)
        expect(cluster.status()["term"] == term, f"the term changed: {cluster.brief()}")
        for node in cluster.nodes:
            expect(node.sql("select pg_is_in_recovery()", "postgres") == ["t"], f"{node} leads")
        _run(standbys[0], "resume", "--force")
        cluster.wait_leader(above_term=term)
        load.wait_acks(50)
        cluster.wait_healthy()
        expect(not cluster.status()["paused"], "still paused")


@story()
def by_hand_everything_works_in_a_pause(cluster):
    """A pause forbids what happens by itself, not what operators ask for: switchover while the
    leader lives, failover when it is dead."""
    with under_load(cluster) as load:
        first, (second, third) = cluster.leader(), cluster.standbys()
        _run(first, "pause", "--wait", "--force")
        cluster.switchover(second)
        load.wait_acks(20)
        cluster.wait_healthy()
        second.kill_all()
        _stays_leaderless(cluster, [first, third])
        _run(first, "failover", "--to", third.name, "--force")
        expect(cluster.wait_leader(other_than=second) is third, f"{cluster.leader()} leads")
        load.wait_acks(20)
        expect(cluster.status()["paused"], "the failover ended the pause")
        _run(first, "resume", "--wait", "--force")
        second.start()
        cluster.wait_healthy()


@story(ci=True)
def a_voter_is_made_anew(cluster):
    """reinit: the node leaves the policy, then its data directory is copied from the leader, and it
    comes back as a voter. No commit is lost meanwhile. The leader is refused."""
    with under_load(cluster) as load:
        leader, (node, other) = cluster.leader(), cluster.standbys()
        identity = (node.data / "evergres.incarnation").read_text()
        refusal = _refused(other, "reinit", leader.name, "--force")
        expect("leads" in refusal, refusal)
        said = _run(other, "reinit", node.name, "--wait", "--force", timeout=300)
        expect("leaves the policy first" in said and "streams" in said, said)
        expect((node.data / "evergres.incarnation").read_text() != identity, "the old directory")
        load.wait_acks(50)
        cluster.wait_healthy()
        log = leader.log_text()
        expect(f"{node.name} is to be cloned anew" in log, "the leader never took it out")


def _shows(node, name, value):
    answer = node.try_sql(f"show {name}", "postgres", 5)
    return bool(answer) and answer.stdout.strip() == value


@story(own=True)
def reload_then_a_rolling_restart(new_cluster):
    """A changed node.yaml: a reload says what changed and what waits for a restart, writes over
    what somebody changed by hand, and disturbs neither leader nor term. The rolling restart takes
    the standbys first and the leader last."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, term = cluster.leader(), cluster.status()["term"]
            with (leader.data / "postgresql.conf").open("a") as conf:
                conf.write("deadlock_timeout = '7s'\n")
            for node in cluster.nodes:
                node.parameters |= {"work_mem": "7MB", "max_connections": "110"}
                node.write_config()
                before = node.agent()
                would = _run(node, "reload", "--dry-run")
                expect("max_connections: '100' -> '110'" in would, would)
                expect(node.agent() == before and not _shows(node, "work_mem", "7MB"), "not dry")
                said = _run(node, "reload", "--force")
                expect("max_connections: 100 -> 110" in said, said)
                expect(("deadlock_timeout" in said) == (node is leader), said)
                expect(node.agent() != before, f"the agent of {node} was not started anew")
                wait_until(f"work_mem on {node}", lambda: _shows(node, "work_mem", "7MB"), 10)
            expect("deadlock_timeout" not in (leader.data / "postgresql.conf").read_text(),
                   "the change by hand is still there")
            cluster.wait_healthy()
            expect(cluster.status()["term"] == term, "a reload changed the term")
            load.wait_acks(20)
            postmasters = {node: node.postmaster() for node in cluster.nodes}
            standby = cluster.standbys()[0]
            said = _run(standby, "restart", "--pending", "--force", "--wait", timeout=300)
            expect("max_connections" in said and standby.postmaster() != postmasters[standby], said)
            said = _run(leader, "restart", "--all", "--force", "--wait", timeout=300)
            order = [said.find(f"{node.name} was restarted") for node in cluster.standbys()]
            expect(min(order) > 0 and said.find(f"{leader.name} leads term") > max(order), said)
            for node in cluster.nodes:
                expect(node.postmaster() != postmasters[node], f"{node} was not restarted")
                wait_until(f"max_connections on {node}",
                           lambda: _shows(node, "max_connections", "110"), 60)
            load.wait_acks(20)
        nothing = _run(leader, "restart", "--pending", "--force")
        expect("No node has to be restarted" in nothing, nothing)
        leader.settings["peer_port"] = leader.peer_port + 1000
        leader.write_config()
        refusal = _refused(leader, "reload", "--force")
        expect("peer_port" in refusal, refusal)
        expect(cluster.wait_leader() is leader, "a refused reload did something")


@story(ci=True)
def what_people_look_at(cluster):
    """topology, history of one term, show-config and logs say what is so, for people and for
    programs, and never a secret."""
    leader, standbys = cluster.leader(), cluster.standbys()
    tree = json.loads(_run(leader, "topology", "-o", "json"))
    expect(tree["leader"]["name"] == leader.name, f"{tree['leader']}")
    expect({node["name"] for node in tree["followers"]} == {n.name for n in standbys}, f"{tree}")
    expect(f"name: {leader.name}" in _run(leader, "list", "-o", "yaml"), "no YAML")
    lines = _run(leader, "list", "-o", "tsv").splitlines()
    expect(len(lines) == 4 and lines[0].startswith("node\taddress\trole"), f"{lines}")
    cluster.switchover(standbys[0])
    entry = cluster.history()[-1]
    detail = _run(leader, "history", str(entry["term"]))
    expect(entry["phases"] and all(phase in detail for phase in entry["phases"]), detail)
    expect(all(fact in detail for fact in entry["facts"]) and " ms" in detail, detail)
    config = _run(leader, "show-config", "-o", "json")
    owners = {p["name"]: p["owner"] for p in json.loads(config)["parameters"]}
    expect(owners["max_connections"] == "operator" and owners["fsync"] == "evergres", f"{owners}")
    for secret in (cluster.password, cluster.secret.read_text().strip()):
        expect(secret not in config, "a secret is shown")
    log = _run(leader, "logs", "-n", "5", "--only", "postgres")
    expect(len(log.splitlines()) == 5 and log.splitlines()[0] in leader.server_log(), log)
    names = _run(leader, "complete", "nodes").split()
    expect(names == [node.name for node in cluster.nodes], f"{names}")
    cluster.wait_healthy()


@story(ci=True)
def every_journal_replays(cluster):
    """Whatever the agents decided, faults and all, is decided the same again from their journals:
    nothing but the situation entered into it."""
    with under_load(cluster) as load:
        old = cluster.leader()
        old.kill("postmaster")
        load.wait_acks(50)
        cluster.wait_leader()
        cluster.wait_healthy()
    for node in cluster.nodes:
        said = _run(node, "replay")
        expect(" 0 differ" in said, f"{node}: {said}")
    cluster.check_journals()


@story()
def refusals_are_remembered(cluster):
    """What an operator asked for and did not get can be read later, with the reason; so can what
    became of each node at the last election."""
    leader = cluster.leader()
    expect(leader.ask("switchover", to=leader.name) is None, "the leader took over from itself")
    text = _run(leader, "explain", "election")
    said = leader.explain()
    expect("refused at" in said and "leads already" in said, f"{said}\n{text}")
    facts = json.loads(_run(leader, "explain", "election", "-o", "json"))
    expect(facts["about"] == "election" and any("leads already" in fact for fact in facts["facts"]),
           facts)
    with under_load(cluster):
        leader.kill_all()
        new = cluster.wait_leader(other_than=leader)
        leader.start()
        cluster.wait_healthy()
    (facts,) = [entry["facts"] for entry in cluster.history()
                if entry["term"] == cluster.status()["term"]]
    expect(any(fact.startswith(f"{new}: ") and "; leads" in fact for fact in facts)
           and any(fact.startswith(f"{leader}: gave no answer") for fact in facts), facts)


@story(ci=True)
def weak_sessions_are_counted(cluster):
    """A role whose synchronous_commit is weaker than the durability is named, and its sessions are
    counted, on every node, in list, explain and metrics."""
    leader = cluster.leader()
    leader.sql("create role hasty login; alter role hasty in database app set synchronous_commit"
               " = 'local'", "postgres")
    wanted = "role hasty in database app: local"
    with contextlib.closing(psycopg2.connect(cluster.dsn())) as plain:
        expect(plain, "no session")
        for node in cluster.nodes:
            wait_until(f"{node} knowing of it", lambda: wanted in (
                (node.status() or {}).get("weak_settings") or []), 30, node.status)
        expect(leader.status()["weak_sessions"] == 0, f"{leader.status()}")
    leader.sql("drop owned by hasty; drop role hasty", "postgres")
    leader.sql("alter role app set synchronous_commit = off", "postgres")
    with contextlib.closing(psycopg2.connect(cluster.dsn())):
        for node in cluster.nodes:
            wait_until(f"{node} counting", lambda: (node.status() or {}).get("weak_sessions") == 1,
                       40, node.status)
        expect("role app: off" in _run(cluster.standbys()[0], "list"), "not in list")
        expect("role app: off" in leader.explain(), leader.explain())
        expect("weak_commit_sessions" in leader.http("/metrics")[1], "not in metrics")
    leader.sql("alter role app reset synchronous_commit", "postgres")
    wait_until("nobody", lambda: leader.status().get("weak_sessions") is None, 40, leader.status)
