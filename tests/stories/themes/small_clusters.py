"""One node, two nodes, and the way between."""

import time

from harness import expect, story, under_load, wait_until


@story(ci=True, own=True)
def one_node(new_cluster):
    """A node alone is its own quorum: after a crash it becomes primary again in a new term."""
    with new_cluster(nodes=1) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            term = cluster.status()["term"]
            cluster.nodes[0].kill("postmaster")
            cluster.wait_leader(above_term=term)
            load.wait_acks(20)
        with under_load(cluster):
            cluster.nodes[0].kill_all()
            cluster.nodes[0].start()
            cluster.wait_leader()


@story(own=True)
def two_nodes_degrade_and_return(new_cluster):
    """Of two nodes the standby dies: the leader goes on alone and says so; when it is back, it
    counts again and can lead."""
    with new_cluster(nodes=2) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (standby,) = cluster.leader(), cluster.standbys()
            standby.kill_all()
            wait_until("the leader alone", lambda: (s := cluster.status())
                       and s["voters"] == [] and not s["unproven"], 60, cluster.brief)
            load.wait_acks(20)
            expect(cluster.status()["degraded"], "status does not say that it is degraded")
            standby.start()
            cluster.wait_healthy()
            leader.kill_all()
            cluster.wait_leader(other_than=leader)
            leader.start()


@story(own=True)
def alone_means_nobody_else_leads(new_cluster):
    """The leader degraded to alone and died. The other node lacks commits and must not lead."""
    with new_cluster(nodes=2) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            leader, (standby,) = cluster.leader(), cluster.standbys()
            standby.kill_all()
            wait_until("the leader alone", lambda: (s := cluster.status())
                       and s["voters"] == [] and not s["unproven"], 60, cluster.brief)
            load.wait_acks(50)
            leader.kill_all()
            standby.start()
            wait_until("the agent's answer", standby.status, 30)
            quiet_until = time.monotonic() + 10
            while time.monotonic() < quiet_until:
                answer = standby.try_sql("select pg_is_in_recovery()", "postgres", 5)
                expect(not answer or answer.stdout.strip() != "f" and
                       cluster.leader() is not standby,
                       f"{standby} leads without the acknowledged commits")
                time.sleep(0.2)
            leader.start()
            cluster.wait_leader()
