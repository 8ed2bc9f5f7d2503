"""Settings that a standby may not have smaller than its primary."""

from harness import expect, story, under_load, wait_until


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
