"""An operator takes a node out by hand and puts it back."""

import os
import signal

from harness import expect, processes, story, under_load, wait_until


def _run(node, *arguments, code=0):
    done = node.evergres(*arguments, timeout=200)
    expect(done.returncode == code, f"{arguments}: exit {done.returncode}, {done.stderr}{done.stdout}")
    return done.stderr if code else done.stdout


def _row(node, about):
    status = node.status() or {"nodes": []}
    return next((n for n in status["nodes"] if n["name"] == about.name), {})


def _stays_out(node):
    """Its agent has looked and decided, and no process of PostgreSQL is there."""
    wait_until(f"{node} saying that it is out", lambda: "stay_out_by_hand" in node.explain()
               and "stop_server" not in node.explain(), 60, node.explain)
    expect(not node.postgres(), f"PostgreSQL runs on {node}")


@story(ci=True)
def a_standby_is_taken_out_and_put_back(cluster):
    """fence: the node leaves the policy, then its PostgreSQL stops in order, and stays so across
    restarts of its agent and of all its processes. No commit is lost, nor does one wait for it.
    Nobody switches over to it. unfence: it streams and votes again."""
    with under_load(cluster) as load:
        leader, (node, other) = cluster.leader(), cluster.standbys()
        term = cluster.status()["term"]
        said = _run(other, "fence", node.name, "--why", "new disks", "--wait", "--force")
        expect("Impact: " in said and "leaves the policy first" in said and "is stopped" in said, said)
        expect("in order" in node.log_text(), "it was not stopped in order")
        shown = _run(leader, "list")
        expect("fenced by operator" in shown and "new disks" in shown, shown)
        wait_until("the state that others see", lambda: _row(leader, node)["state"] == "fenced",
                   20, lambda: _row(leader, node))
        expect(cluster.status()["voters"] == [other.name], cluster.brief())
        refusal = _run(leader, "switchover", "--to", node.name, "--force", code=3)
        expect("unfence" in refusal, refusal)
        for verb in ("restart", "reinit"):
            _run(leader, verb, node.name, "--force", code=3)
        load.wait_acks(50)
        agent = node.agent()
        os.kill(agent, signal.SIGKILL)
        wait_until("a new agent", lambda: node.agent() not in (None, agent) and node.status(), 30)
        _stays_out(node)
        node.kill_all()
        node.start()
        _stays_out(node)
        load.wait_acks(20)
        expect(cluster.status()["term"] == term, cluster.brief())
        said = _run(other, "unfence", node.name, "--wait", "--force")
        expect("streams" in said, said)
        cluster.wait_healthy()
        _run(other, "unfence", node.name, "--force", code=3)


@story()
def a_server_that_does_not_answer_is_taken_out(cluster):
    """PostgreSQL of a standby stands still, so that nobody can see what it does: fence stops it all
    the same."""
    with under_load(cluster) as load:
        leader, (node, other) = cluster.leader(), cluster.standbys()
        frozen = list(node.postgres())
        processes.send(frozen, signal.SIGSTOP)
        wait_until("a server that is not seen any more",
                   lambda: _row(node, node).get("state") == "unknown", 30,
                   lambda: _row(node, node))
        _run(leader, "fence", node.name, "--why", "it hangs", "--wait", "--force")
        expect("our server does not answer" in node.log_text(), "it was stopped for another reason")
        _stays_out(node)
        expect(cluster.status()["voters"] == [other.name], cluster.brief())
        load.wait_acks(20)
        _run(leader, "unfence", node.name, "--wait", "--force")
        cluster.wait_healthy()


@story()
def a_fenced_node_helps_to_elect(cluster):
    """The leader dies while a voter is out by hand: the others elect without it, and it comes back
    under the new leader."""
    with under_load(cluster) as load:
        leader, (node, other) = cluster.leader(), cluster.standbys()
        _run(leader, "fence", node.name, "--wait", "--force")
        load.wait_acks(20)
        leader.kill_all()
        expect(cluster.wait_leader(other_than=leader) is other, cluster.brief())
        load.wait_acks(20)
        expect(not node.postgres(), f"PostgreSQL runs on {node}")
        _run(other, "unfence", node.name, "--wait", "--force")
        leader.start()
        cluster.wait_healthy()


@story(own=True)
def the_leader_hands_over_before_it_is_taken_out(new_cluster):
    """fence of the leader is a switchover first. When nobody can take over it is refused; with
    --force the database is without a primary until the node is put back."""
    with new_cluster(nodes=2) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            first, (second,) = cluster.leader(), cluster.standbys()
            _run(first, "fence", first.name, "--wait", "--force")
            expect(cluster.wait_leader(other_than=first) is second, cluster.brief())
            load.wait_acks(20)
            _stays_out(first)
            refusal = _run(second, "fence", second.name, code=3)
            expect("nobody can take over" in refusal and "--force" in refusal, refusal)
            load.wait_acks(20)
            _run(second, "fence", second.name, "--wait", "--force")
            _stays_out(second)
            expect(cluster.leader() is None, cluster.brief())
            _run(second, "unfence", second.name, "--force")
            expect(cluster.wait_leader() is second, cluster.brief())
            load.wait_acks(20)
            _run(second, "unfence", first.name, "--wait", "--force")
            cluster.wait_healthy()
