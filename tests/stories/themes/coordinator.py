"""The coordinator dies after each step of the protocol; somebody finishes the failover."""

import re
from pathlib import Path

from harness import expect, story, under_load, wait_until

STEPS = ["term", "promise", "fence", "choice", "names", "promote", "barrier", "open"]
HANDOVER_STEPS = ["term", "stopped"]
POLICY_STEPS = ["proposed", "applied"]  # themes/policy.py
LOSS_STEPS = ["told"]  # themes/lossy.py
SOURCE = Path(__file__).resolve().parents[3] / "src"


def _steps_of_the_source():
    return {step for path in SOURCE.rglob("*.cpp")
            for step in re.findall(r'crash_point\(hands, "(\w+)"\)', path.read_text())}


def _crash_after(cluster, step):
    """Whoever reaches `step` during the next failover kills itself with SIGKILL, once."""
    for node in cluster.nodes:
        node.environment["EVERGRES_TEST_CRASH_AFTER"] = step
    for node in cluster.standbys() + [cluster.leader()]:
        node.stop()
        node.start()
        cluster.wait_healthy()
    with under_load(cluster) as load:
        leader = cluster.leader()
        armed = [node.state / "crash-once" for node in cluster.nodes if node is not leader]
        for path in armed:
            path.touch()
        leader.kill("postmaster")
        wait_until(f"a crash after the step {step}",
                   lambda: not all(path.exists() for path in armed), 60, cluster.brief)
        cluster.wait_leader(seconds=120)
        load.wait_acks(20)
        for path in armed:
            path.unlink(missing_ok=True)


def _crash_in_a_handover(cluster, step):
    """The leader's agent kills itself at `step` of a switchover that it was asked for."""
    leader, target = cluster.leader(), cluster.standbys()[0]
    leader.environment["EVERGRES_TEST_CRASH_AFTER"] = step
    leader.stop()
    leader.start()
    cluster.wait_healthy()
    if cluster.leader() is not leader:
        cluster.switchover(leader)
        cluster.wait_healthy()
    with under_load(cluster) as load:
        term, armed = cluster.status()["term"], leader.state / "crash-once"
        armed.touch()
        leader.evergres("switchover", "--to", target.name, "--force", timeout=60)
        wait_until(f"a crash after the step {step}", lambda: not armed.exists(), 60, cluster.brief)
        cluster.wait_leader(seconds=120, above_term=term)
        load.wait_acks(20)


def _each(cluster, steps):
    try:
        for step in steps:
            _crash_after(cluster, step)
    finally:
        for node in cluster.nodes:
            node.environment.clear()


@story(ci=True)
def coordinator_dies_while_it_promotes(cluster):
    """PostgreSQL was asked to promote and the one who asked is dead: the answer is unknown."""
    _each(cluster, ["promote"])


@story()
def coordinator_dies_after_each_step(cluster):
    """After every step of the protocol the record alone says how to go on."""
    told = {*STEPS, *HANDOVER_STEPS, *POLICY_STEPS, *LOSS_STEPS}
    expect(_steps_of_the_source() == told, f"steps without a story: "
           f"{_steps_of_the_source() ^ told}")
    _each(cluster, STEPS)


@story()
def leader_dies_in_its_handover(cluster):
    """The one who hands over dies when the term of the handover is recorded, or when its server is
    stopped and nobody is chosen yet. Somebody leads, in that term or a later one."""
    try:
        for step in HANDOVER_STEPS:
            _crash_in_a_handover(cluster, step)
    finally:
        for node in cluster.nodes:
            node.environment.clear()


@story()
def a_step_that_does_not_exist(cluster):
    """The harness itself: an agent whose step never comes does not crash, so that the stories
    above prove that theirs did."""
    with under_load(cluster):
        node = cluster.standbys()[0]
        node.environment["EVERGRES_TEST_CRASH_AFTER"] = "no-such-step"
        node.stop()
        node.start()
        cluster.wait_healthy()
        path = node.state / "crash-once"
        path.touch()
        leader = cluster.leader()
        leader.kill("postmaster")
        cluster.wait_leader(other_than=leader)
        expect(path.exists(), "the agent crashed after a step that does not exist")
        path.unlink()
        node.environment.clear()
