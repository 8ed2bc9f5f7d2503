"""Settings that a standby may not have smaller than its primary."""

from harness import story, under_load, wait_until


def _shows(node, value):
    answer = node.try_sql("show max_connections", "postgres", 5)
    return bool(answer) and answer.stdout.strip() == value


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
                load.wait_acks(20)
                if not leader_first:
                    cluster.wait_healthy(180)
            cluster.wait_healthy(180)
            for node in cluster.nodes:
                wait_until(f"max_connections {value} on {node}",
                           lambda: _shows(node, value), 60)
            load.wait_acks(20)
