"""What operators wish of a node: who leads, who votes, who streams from whom."""

import json
import os
import signal

from harness import expect, story, under_load, wait_until


def _tag(node, **tags):
    """Writes the tags into node.yaml and makes them take effect."""
    node.settings["tags"] = json.dumps(tags)
    if not tags:
        del node.settings["tags"]
    node.write_config()
    before = node.agent()
    done = node.evergres("reload", "--force")
    expect(done.returncode == 0, f"reload on {node}: {done.stderr}{done.stdout}")
    wait_until(f"a new agent on {node}", lambda: (node.agent() or before) != before
               and node.status(), 20)
    shown = {key: str(value).lower() if isinstance(value, bool) else str(value)
             for key, value in tags.items() if value is not False}
    everybody = lambda: all((_row(other, node).get("tags") or {}) == shown
                            for other in node.cluster.nodes if other.status())
    wait_until(f"everybody showing the tags of {node}", everybody, 20,
               lambda: [_row(other, node) for other in node.cluster.nodes])


def _row(node, about):
    """What `node` says of `about`."""
    status = node.status() or {"nodes": []}
    return next((n for n in status["nodes"] if n["name"] == about.name), {})


def _run(node, *arguments, code=0):
    done = node.evergres(*arguments, timeout=200)
    expect(done.returncode == code, f"{arguments}: exit {done.returncode}, {done.stderr}{done.stdout}")
    return done.stderr if code else done.stdout


def _voters(cluster):
    return set((cluster.status() or {}).get("voters", []))


def _wait_voters(cluster, *nodes):
    wanted = {node.name for node in nodes}
    wait_until(f"the voters {sorted(wanted)}", lambda: (s := cluster.status())
               and s["phase"] == "leading" and not s["unproven"] and set(s["voters"]) == wanted,
               60, cluster.brief)


def _lsn(node):
    return node.sql("select coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())",
                    "postgres")[0]


@story(ci=True)
def tags_are_shown_and_reloaded(cluster):
    """Tags reach list, documents and health checks by a reload, which restarts neither PostgreSQL
    nor leads to another term."""
    leader, (node, _) = cluster.leader(), cluster.standbys()
    term, postmaster = cluster.status()["term"], node.postmaster()
    _tag(node, zone="east", noloadbalance=True, rack=12)
    expect("noloadbalance, rack: 12, zone: east" in _run(leader, "list"), _run(leader, "list"))
    wait_until("a replica that is not to be balanced",
               lambda: node.http("/replica")[0] == 503 and node.http("/quorum")[0] == 503, 20)
    members = json.loads(leader.http("/cluster")[1])["members"]
    tags = next(m for m in members if m["name"] == node.name)["tags"]
    expect(tags == {"zone": "east", "noloadbalance": True, "rack": 12}, f"{tags}")
    _tag(node, zone="east", noloadbalance=False)
    wait_until("a replica of its zone",
               lambda: node.http("/replica?tag_zone=east")[0] == 200
               and node.http("/replica?tag_zone=west")[0] == 503, 20)
    expect(json.loads(node.http("/patroni")[1])["tags"] == {"zone": "east"}, "no tags")
    _tag(node)
    expect("TAGS" not in _run(leader, "list"), "a column without tags")
    expect(node.postmaster() == postmaster and cluster.status()["term"] == term, cluster.brief())
    cluster.wait_healthy()


@story(own=True)
def nofailover_never_leads_by_itself(new_cluster):
    """A node that is tagged nofailover votes only where nobody else does, so that another one holds
    every commit. When it alone is left nobody leads, and explain says why; an operator may
    insist."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            first, (second, third) = cluster.leader(), cluster.standbys()
            _tag(third, nofailover=True)
            _wait_voters(cluster, second)
            refusal = _run(first, "switchover", "--to", third.name, "--force", code=3)
            expect("tagged nofailover" in refusal, refusal)
            load.wait_acks(50)
            first.kill_all()
            expect(cluster.wait_leader(other_than=first) is second, cluster.brief())
            load.wait_acks(50)
            _wait_voters(cluster, third)
            second.kill_all()
            says = f"{third} could lead, but is tagged nofailover"
            wait_until("the reason why nobody leads", lambda: says in third.explain(), 60,
                       third.explain)
            refusal = _run(third, "failover", "--to", third.name, code=3)
            expect("tagged nofailover" in refusal and "--force" in refusal, refusal)
            _run(third, "failover", "--to", third.name, "--force")
            expect(cluster.wait_leader() is third, cluster.brief())
            load.wait_acks(20)
            first.start()
            second.start()
            cluster.wait_healthy()


@story(own=True)
def the_highest_priority_leads(new_cluster):
    """Of two standbys that hold the same the one with the higher failover_priority leads, also in a
    switchover without a name; 0 keeps a node out."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        for chosen in reversed(cluster.standbys()):
            first = cluster.leader()
            other = next(node for node in cluster.standbys() if node is not chosen)
            _tag(chosen, failover_priority=7)
            _tag(other, failover_priority=2)
            cluster.wait_healthy()
            wait_until("the same end on both", lambda: _lsn(chosen) == _lsn(other), 30)
            first.kill_all()
            expect(cluster.wait_leader(other_than=first) is chosen, cluster.brief())
            first.start()
            cluster.wait_healthy()
            _run(chosen, "switchover", "--wait", "--force")
            expect(cluster.wait_leader(other_than=chosen) is other, cluster.brief())
            _tag(chosen)
            _tag(other)
            cluster.wait_healthy()
            cluster.switchover(first)
            cluster.wait_healthy()
        node = cluster.standbys()[0]
        _tag(node, failover_priority=0)
        expect("nofailover" in (_row(cluster.leader(), node)["why_not"] or ""), "0 is no nofailover")


def _slots(node):
    return set(node.sql("select slot_name from pg_replication_slots", "postgres"))


def _streams_from(cluster, node, upstream):
    """The receiver of `node` is at `upstream`, under a name that never counts."""
    row = _row(node, node)
    if row.get("state") != "streaming" or row.get("follows") != upstream.name:
        return False
    answer = upstream.try_sql("select application_name from pg_stat_replication where state ="
                              " 'streaming'", "postgres", 5)
    names = answer.stdout.split() if answer else []
    return node.name not in _voters(cluster) and any(name.startswith(f"evgc_{node.name}_")
                                                     for name in names)


@story(own=True)
def a_cascaded_node_survives_its_leader_and_its_upstream(new_cluster):
    """replicatefrom: the node streams from a standby, which keeps WAL for it instead of the leader,
    and never votes. It follows a new leader, falls back to the leader while the standby is gone,
    and goes back to it."""
    with new_cluster(nodes=4) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            first, (second, middle, last) = cluster.leader(), cluster.standbys()
            _tag(last, replicatefrom=middle.name)
            on_middle = lambda: _streams_from(cluster, last, middle)
            wait_until(f"{last} below {middle}", on_middle, 60, cluster.brief)
            _wait_voters(cluster, second, middle)
            slot = f"evg_{last.name}"
            wait_until("its slot there alone", lambda: slot in _slots(middle)
                       and slot not in _slots(first), 30, lambda: (_slots(middle), _slots(first)))
            expect(f"└─ {last.name}" in _run(last, "topology"), _run(last, "topology"))
            load.wait_acks(50)
            first.kill_all()
            cluster.wait_leader(other_than=first)
            expect(last.name not in _voters(cluster), f"{last} votes: {cluster.brief()}")
            load.wait_acks(50)
            wait_until(f"{last} below {middle} again", on_middle, 90, cluster.brief)
            first.start()
            if cluster.leader() is middle:
                wait_until(f"{second} as a voter", lambda: second.name in _voters(cluster), 60,
                           cluster.brief)
                cluster.switchover(second)
                wait_until(f"{last} below {middle}, which follows", on_middle, 90, cluster.brief)
            leader = cluster.wait_leader()
            middle.kill_all()
            wait_until(f"{last} at the leader {leader}",
                       lambda: _streams_from(cluster, last, leader), 60, cluster.brief)
            load.wait_acks(50)
            middle.start()
            wait_until(f"{last} below {middle} once more", on_middle, 120, cluster.brief)
            expect(cluster.wait_leader() is leader, cluster.brief())
            os.kill(middle.agent(), signal.SIGKILL)  # the next run knows its slots from the server
            _tag(last)
            cluster.wait_healthy()
            wait_until("no slot that nobody uses", lambda: slot not in _slots(middle), 30,
                       lambda: _slots(middle))


@story(own=True)
def clones_come_from_whom_the_tag_names(new_cluster):
    """clonefrom: a data directory is made anew from the tagged standby, not from the leader."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (source, node) = cluster.leader(), cluster.standbys()
            _tag(source, clonefrom=True)
            cluster.wait_healthy()
            clones = lambda of: node.log_text().count(f"clone from {of.name} in term")
            before = clones(leader)
            _run(leader, "reinit", node.name, "--wait", "--force")
            expect(clones(source) > 0 and clones(leader) == before,
                   f"{clones(source)} clones from {source}, {clones(leader)} from {leader}")
            load.wait_acks(20)
            cluster.wait_healthy()
