"""kill -9 of one thing, of two, of everything."""

import itertools

from harness import expect, story, under_load, wait_until


@story(ci=True)
def postmaster_killed(cluster):
    """The supervisor sees a dead postmaster at once; another node leads and nothing acknowledged
    is lost."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        leader.kill("postmaster")
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        expect(load.longest_gap() < 20, f"writes stood still for {load.longest_gap():.1f} s")


@story(ci=True)
def backend_killed(cluster):
    """The OOM killer takes one backend. PostgreSQL stops itself (restart_after_crash=off) and some
    node leads again in a new term; it never comes back as primary by itself."""
    with under_load(cluster) as load:
        term = cluster.status()["term"]
        cluster.leader().kill_backend()
        cluster.wait_leader(above_term=term)
        load.wait_acks(20)


@story(ci=True)
def agent_killed(cluster):
    """Restarting the agent disturbs neither PostgreSQL nor the clients."""
    with under_load(cluster) as load:
        leader, term = cluster.leader(), cluster.status()["term"]
        postmaster, old = leader.postmaster(), leader.kill("agent")
        wait_until("a new agent", lambda: leader.agent() not in (None, old), 20)
        wait_until("the new agent's answer", leader.status, 20)
        load.wait_acks(100)
        expect(leader.postmaster() == postmaster, "PostgreSQL was restarted")
        expect(cluster.status()["term"] == term, "the term changed though PostgreSQL was well")
        expect(load.longest_gap() < 4, f"writes stood still for {load.longest_gap():.1f} s")


@story(ci=True)
def supervisor_killed(cluster):
    """When the supervisor dies the keeper ends everything that it left, then starts a new one."""
    with under_load(cluster):
        leader, term = cluster.leader(), cluster.status()["term"]
        orphans = set(leader.postgres())
        old = leader.kill("supervisor")
        wait_until("a new supervisor", lambda: leader.supervisor() not in (None, old), 30)
        wait_until("the end of the old PostgreSQL", lambda: not orphans & set(leader.postgres()))
        cluster.wait_leader(above_term=term)


@story()
def keeper_killed(cluster):
    """When the keeper dies the supervisor ends everything, itself too. A new run brings it back."""
    with under_load(cluster):
        leader = cluster.leader()
        leader.kill("keeper")
        leader.popen.wait(timeout=30)
        leader.wait_gone()
        cluster.wait_leader(other_than=leader)
        leader.start()


@story(ci=True)
def node_killed(cluster):
    """All processes of the leader's machine vanish at once."""
    with under_load(cluster) as load:
        leader = cluster.leader()
        leader.kill_all()
        cluster.wait_leader(other_than=leader)
        load.wait_acks(20)
        leader.start()


@story(ci=True)
def two_failures_in_a_row(cluster):
    """The leader dies, and when the policy is whole again the next one too."""
    with under_load(cluster) as load:
        first = cluster.leader()
        first.kill_all()
        second = cluster.wait_leader(other_than=first)
        load.wait_acks(20)
        first.start()
        cluster.wait_healthy()
        second.kill_all()
        cluster.wait_leader(other_than=second)
        load.wait_acks(20)
        second.start()


@story()
def second_failure_before_the_first_is_healed(cluster):
    """Of three nodes two die one after the other. The last one goes on, alone, once the policy has
    been reduced; it says so."""
    with under_load(cluster) as load:
        first = cluster.leader()
        first.kill_all()
        second = cluster.wait_leader(other_than=first)
        wait_until("the policy without the dead node",
                   lambda: (s := cluster.status()) and first.name not in s["voters"]
                   and not s["unproven"], 60, cluster.brief)
        survivor = next(n for n in cluster.nodes if n not in (first, second))
        survivor.kill_all()
        wait_until("writes on one node", lambda: cluster.status() and
                   cluster.status()["voters"] == [] and not cluster.status()["unproven"],
                   60, cluster.brief)
        load.wait_acks(20)
        expect(cluster.status()["degraded"], "status does not say that commits are on one node")
        first.start()
        survivor.start()


def _all_killed_and_started(cluster, order):
    for node in cluster.nodes:
        node.kill_all()
    for name in order:
        node = cluster[name]
        node.start()
        wait_until(f"the agent of {node}", node.status, 30)
    cluster.wait_leader(seconds=120)


def _cold_and_dark(cluster, orders):
    for order in orders:
        with under_load(cluster):
            _all_killed_and_started(cluster, order)


ORDERS = list(itertools.permutations(["n1", "n2", "n3"]))


@story(ci=True)
def all_nodes_killed_then_started_in_two_orders(cluster):
    """The lights go out. Whoever comes back first must not lead before enough voters are read."""
    _cold_and_dark(cluster, [ORDERS[0], ORDERS[5]])


@story()
def all_nodes_killed_then_started_in_the_other_orders(cluster):
    """As above, in the four other orders."""
    _cold_and_dark(cluster, ORDERS[1:5])
