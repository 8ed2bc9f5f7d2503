"""Cables that are cut while the store is reached by everybody."""

import contextlib
import time

from harness import Network, expect, story, under_load, wait_until


@contextlib.contextmanager
def _wired(new_cluster):
    """Three nodes with an address each. The first one runs when all cards are in the store: what
    happens otherwise is a story of its own, below."""
    with new_cluster(nodes=3) as cluster, Network(cluster.nodes) as network:
        cluster.create(first_is_last=True)
        yield cluster, network
        for node in cluster.nodes:
            node.stop()


def _hears_nobody(node):
    wait_until(f"{node} that hears nobody",
               lambda: "in charge: nobody" in node.explain(), 30, node.explain)


@story(own=True)
def node_from_another_machine(new_cluster):
    """A node with an address of its own starts when the first one leads already: the leader's
    pg_hba.conf admits it, and it joins."""
    with new_cluster(nodes=2) as cluster, Network(cluster.nodes):
        first, second = cluster.nodes
        first.write_config()
        done = first.evergres("init")
        expect(done.returncode == 0, f"init: {done.stderr}")
        first.start()
        cluster.wait_leader()
        with under_load(cluster):
            second.start()
        for node in cluster.nodes:
            node.stop()


@story(own=True)
def leader_cut_off_from_its_peers(new_cluster):
    """The leader reaches its clients and the store but no other node. The others hear each other
    and elect; what clients wrote to the old leader meanwhile was not acknowledged, or is there."""
    with _wired(new_cluster) as (cluster, network), under_load(cluster) as load:
        leader = cluster.leader()
        with network.cut(leader):
            new = cluster.wait_leader(other_than=leader)
            load.wait_acks(50)
            wait_until(f"{leader} no primary any more", lambda: not (
                (a := leader.try_sql("select pg_is_in_recovery()", "postgres", 5))
                and a.stdout.strip() == "f"), 30)
            expect(cluster.leader() is new, f"{cluster.leader()} leads, not {new}")
            load.wait_acks(50)


@story(own=True)
def isolated_standby_with_the_store(new_cluster):
    """A standby hears nobody but reads and writes the store. It must not take a term, neither
    while all is well elsewhere nor while the others elect; mended, it follows."""
    with _wired(new_cluster) as (cluster, network), under_load(cluster) as load:
        term, leader, alone = cluster.status()["term"], cluster.leader(), cluster.standbys()[0]
        with network.cut(alone):
            wait_until("the policy without it", lambda: (s := leader.status())
                       and alone.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
            _hears_nobody(alone)
            load.wait_acks(500)
            expect(cluster.status()["term"] == term, f"{alone} took a term: {cluster.brief()}")
            leader.kill("postmaster")
            new = cluster.wait_leader(above_term=term)
            expect(new is not alone, f"{alone} leads though it hears nobody")
            load.wait_acks(50)


@story(own=True)
def nobody_hears_anybody(new_cluster):
    """All cables are cut, the store works. Nobody but the leader could take a term and nobody is
    acknowledged by anybody; with the cables back everything goes on."""
    with _wired(new_cluster) as (cluster, network), under_load(cluster) as load:
        leader = cluster.leader()
        with network.cut(*cluster.nodes):
            wait_until("commits that wait for voters", lambda: int(leader.sql(
                "select count(*) from pg_stat_activity where wait_event = 'SyncRep'",
                "postgres")[0]) >= len(load.writers), 20)
            acked = load.acked_count()
            for node in cluster.standbys():
                _hears_nobody(node)
            quiet_until = time.monotonic() + 6
            while time.monotonic() < quiet_until:
                found = cluster.leader()
                expect(found in (None, leader), f"{found} leads though it hears nobody")
                time.sleep(0.2)
            expect(load.acked_count() == acked, "somebody acknowledged a commit alone")
        load.wait_acks(20)


@story(own=True)
def two_nodes_cut_apart(new_cluster):
    """Of two nodes each hears nobody. The standby has all that was acknowledged and may take the
    next term through the store; or the leader goes on alone once it is sure that the other one
    will not. Never both: what either of them acknowledged is there in the end."""
    with new_cluster(nodes=2) as cluster, Network(cluster.nodes) as network:
        cluster.create(first_is_last=True)
        with under_load(cluster) as load:
            leader, (standby,) = cluster.leader(), cluster.standbys()
            with network.cut(*cluster.nodes):
                wait_until("each hearing nobody", lambda: all(
                    row["state"] == "silent" for node in cluster.nodes
                    for row in (node.status() or {"nodes": [{"name": "", "state": ""}]})["nodes"]
                    if row["name"] != node.name), 30, cluster.brief)
                wait_until("writes on one of them", lambda: (s := cluster.status())
                           and s["phase"] == "leading" and s["voters"] == [] and not s["unproven"],
                           60, cluster.brief)
                load.wait_acks(100)
                wait_until("one primary", lambda: [
                    node for node in (leader, standby)
                    if (a := node.try_sql("select pg_is_in_recovery()", "postgres", 5))
                    and a.stdout.strip() == "f"] == [cluster.leader()], 20, cluster.brief)
            load.wait_acks(20)
            cluster.wait_healthy()
        for node in cluster.nodes:
            node.stop()


@story(own=True)
def leader_that_is_deaf(new_cluster):
    """The leader speaks but hears nobody, so that it still seems to be there while no commit is
    acknowledged any more. Somebody else leads; the deaf one acknowledged nothing in between."""
    with _wired(new_cluster) as (cluster, network), under_load(cluster) as load:
        leader = cluster.leader()
        with network.deaf(leader):
            cluster.wait_leader(other_than=leader)
            load.wait_acks(50)
