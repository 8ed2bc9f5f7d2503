"""One node, two nodes, and the way between."""

import re
import time

from harness import Load, expect, story, under_load, wait_until


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


@story()
def a_loss_is_an_operators(cluster):
    """Two of three nodes die at once: nobody can know what they acknowledged. The one that is left
    does not lead by itself; a failover is refused, names bytes and seconds, and is carried out when
    the operator accepts the loss. The others come back as its standbys."""
    load = Load(cluster)
    load.wait_acks(50)
    leader, (voter, left) = cluster.leader(), cluster.standbys()
    for node in (leader, voter):
        node.freeze()
    for node in (leader, voter):
        node.kill_all()
    wait_until(f"{left} saying what is missing", lambda: "stopped and read" in (
        left.evergres("explain", "election").stdout), 30, left.last_log_lines)
    refused = left.evergres("failover")
    expect(refused.returncode != 0, f"it was accepted: {refused.stdout}")
    expect("--accept-data-loss" in refused.stderr, refused.stderr)
    for unit in ("bytes", "s since"):
        expect(re.search(rf"At risk: .*\d.* {unit}", refused.stderr), f"no {unit}: {refused.stderr}")
    done = left.evergres("failover", "--accept-data-loss", "--force", timeout=120)
    expect(done.returncode == 0, f"failover: {done.stderr}")
    expect(cluster.wait_leader(other_than=leader) is left, f"{cluster.leader()} leads")
    load.wait_acks(50)
    load.stop()
    entry = cluster.history()[-1]
    expect(entry["kind"] == "forced failover", f"history: {entry}")
    leader.start()
    voter.start()
    cluster.wait_healthy(180)
    truth = load.rows(cluster.leader())
    for node in cluster.standbys():
        wait_until(f"{node} equal", lambda: load.rows(node) == truth, 60)
