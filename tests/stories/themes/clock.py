"""No safety and no deadline hangs on the wall clock."""

import time

from harness import WallClock, expect, story, under_load, wait_until


def _ahead(node):
    return float(node.sql("select extract(epoch from clock_timestamp())",
                          "postgres")[0]) - time.time()


@story(ci=True, own=True)
def wall_clocks_jump(new_cluster):
    """The wall clock of the leader jumps a day ahead, then a day back, and that of a standby the
    other way: nobody is suspected, no grant ends, writes go on. A failover works as ever."""
    with new_cluster(nodes=3) as cluster:
        clocks = {node: WallClock(node) for node in cluster.nodes}
        cluster.create()
        with under_load(cluster) as load:
            term, leader = cluster.status()["term"], cluster.leader()
            standby = cluster.standbys()[0]
            for day in (86400, -86400):
                clocks[leader].jump(day)
                clocks[standby].jump(-day)
                expect(abs(_ahead(leader) - day) < 600, f"the clock is {_ahead(leader)} ahead")
                agent = leader.agent()
                load.wait_acks(1500)
                expect(cluster.status()["term"] == term, f"the term changed: {cluster.brief()}")
                expect(leader.agent() == agent, "the agent was restarted")
            expect(load.longest_gap() < 4, f"writes stood still for {load.longest_gap():.1f} s")
            wait_until("the policy whole", cluster.is_healthy, 30, cluster.brief)
            leader.kill("postmaster")
            clocks[standby].jump(-365 * 86400)
            cluster.wait_leader(above_term=term)
            load.wait_acks(20)
