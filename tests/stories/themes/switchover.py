"""Planned changes of the leader."""

from harness import expect, story, under_load


@story(ci=True)
def there_and_back_under_load(cluster):
    """A planned switchover loses nothing, needs no rewind, and works in both directions."""
    with under_load(cluster) as load:
        first = cluster.leader()
        second = cluster.standbys()[0]
        cluster.switchover(second)
        load.wait_acks(50)
        cluster.wait_healthy()
        cluster.switchover(first)
        load.wait_acks(50)
        expect(load.longest_gap() < 10, f"writes stood still for {load.longest_gap():.1f} s")


@story()
def switchover_to_nobody(cluster):
    """A switchover to a node that does not exist is refused with a reason and changes nothing."""
    with under_load(cluster):
        term = cluster.status()["term"]
        done = cluster.nodes[0].evergres("switchover", "--to", "n9", "--force")
        expect(done.returncode != 0, "it was accepted")
        expect("n9" in done.stderr, f"the refusal does not name the node: {done.stderr!r}")
        expect(cluster.status()["term"] == term, "the term changed")
