"""The store is away; the data is not in it."""

import time

from harness import expect, story, under_load

AWAY = 20.0


def _writes_go_on(cluster, load):
    """Acknowledgements never pause for long while the block's time runs."""
    term = cluster.status()["term"]
    end = time.monotonic() + AWAY
    while time.monotonic() < end:
        load.wait_acks(20, seconds=10)
    expect(cluster.status()["term"] == term, "the leader changed")
    expect(load.longest_gap() < 5, f"writes stood still for {load.longest_gap():.1f} s")


@story(ci=True)
def store_locked_for_20_s(cluster):
    """Nobody can write to the store. The leader keeps its grant while its voters confirm it."""
    with under_load(cluster) as load, cluster.store_locked():
        _writes_go_on(cluster, load)


@story()
def store_gone_for_20_s(cluster):
    """The store's directory is gone and comes back. Writes go on, status says what is missing."""
    with under_load(cluster) as load, cluster.store_hidden():
        _writes_go_on(cluster, load)


@story()
def postmaster_killed_while_the_store_is_locked(cluster):
    """Without the store nobody becomes primary; with it, somebody does and nothing is lost."""
    with under_load(cluster) as load:
        leader, term = cluster.leader(), cluster.status()["term"]
        with cluster.store_locked():
            leader.kill("postmaster")
            quiet_until = time.monotonic() + 5
            while time.monotonic() < quiet_until:
                found = cluster.leader()
                expect(found is None or found is leader and cluster.status()["term"] == term,
                       f"{found} leads though nobody could write to the store")
                time.sleep(0.2)
        cluster.wait_leader(above_term=term)
        load.wait_acks(20)
