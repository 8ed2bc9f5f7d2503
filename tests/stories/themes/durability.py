"""What a commit waits for, and how that is changed on a running cluster."""

import time

from harness import expect, story, under_load, wait_until


def _want(cluster, mode):
    """Every node's file says it; the leader's agent puts it into the record."""
    for node in cluster.nodes:
        node.settings["durability"] = mode
        node.write_config()
        done = node.evergres("reload", node.name, "--force")
        expect(done.returncode == 0, f"reload of {node}: {done.stderr}{done.stdout}")


def _proven(cluster, mode, k):
    def is_so():
        status = cluster.status()
        return (status and status["phase"] == "leading" and status["durability"] == mode
                and status["k"] == k and not status["unproven"])
    wait_until(f"a proven policy of durability {mode} with k = {k}", is_so, 60, cluster.brief)


def _listed(cluster):
    done = cluster.leader().evergres("list")
    expect(done.returncode == 0, f"evergres list failed: {done.stderr}")
    return done.stdout


@story(ci=True, own=True)
def durability_changes_under_load(new_cluster):
    """Quorum, strict and quorum again while clients write: each is one change of the policy. The
    term stays, no row is lost, and list names the mode that is in force."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        with under_load(cluster) as load:
            term = cluster.status()["term"]
            for mode in ("strict", "quorum", "strict"):
                _want(cluster, mode)
                _proven(cluster, mode, 1)
                load.wait_acks(50)
                expect(f"durability {mode}" in _listed(cluster), _listed(cluster))
            expect(cluster.status()["term"] == term, f"a new term: {cluster.brief()}")
            leader = cluster.leader()
            leader.kill("postmaster")  # strict stays, whoever leads
            cluster.wait_leader(above_term=term)
            load.wait_acks(50)
            _proven(cluster, "strict", 1)


@story(own=True)
def two_acknowledgements_fall_and_rise_by_steps(new_cluster):
    """Three nodes, two acknowledgements. A standby is lost: k falls by way of "any 1 of both", and
    writes go on. It comes back: k rises the same way. Then the leader is lost, and nothing with it."""
    with new_cluster(nodes=3) as cluster:
        cluster.create()
        done = cluster.leader().evergres("edit-config", "-s", "acknowledgements=2", "--force")
        expect(done.returncode == 0, f"edit-config: {done.stderr}{done.stdout}")
        _proven(cluster, "quorum", 2)
        with under_load(cluster, deadline=120.0) as load:
            leader, (lost, stays) = cluster.leader(), cluster.standbys()
            load.wait_acks(50)
            lost.kill_all()
            _proven(cluster, "quorum", 1)
            wait_until(f"{stays} alone as voter", lambda: (s := cluster.status())
                       and s["voters"] == [stays.name] and not s["unproven"], 60, cluster.brief)
            load.wait_acks(50)
            lost.start()
            _proven(cluster, "quorum", 2)
            load.wait_acks(50)
            log, both = leader.log_text(), ", ".join(sorted([lost.name, stays.name]))
            joint = f'{leader.name} with any 1 of {both}'
            ways = [f'on the way to "{leader.name} with any 1 of {stays.name}"',
                    f'on the way to "{leader.name} with any 2 of {both}"']
            for words in [joint, *ways]:
                expect(words in log, f"the log of {leader} does not say: {words}")
            term = cluster.status()["term"]
            leader.kill_all()
            cluster.wait_leader(above_term=term)
            load.wait_acks(50)
            leader.start()


@story(own=True)
def strict_waits_for_its_last_voter(new_cluster):
    """Two nodes, strict. The standby is lost: writes wait, and list and explain say why. Nothing
    is acknowledged until it is back."""
    with new_cluster(nodes=2, settings={"durability": "strict"}) as cluster:
        cluster.create()
        _proven(cluster, "strict", 1)
        with under_load(cluster, deadline=120.0) as load:
            leader, (standby,) = cluster.leader(), cluster.standbys()
            standby.kill_all()
            wait_until("writes that wait", lambda: int(leader.sql(
                "select count(*) from pg_stat_activity where wait_event = 'SyncRep'",
                "postgres")[0]) >= len(load.writers), 20, cluster.brief)
            before = load.acked_count()
            wait_until("list saying why", lambda: "strict, and fewer than 1 standbys"
                       in _listed(cluster), 30, lambda: _listed(cluster))
            wait_until("explain saying why", lambda: "writes may wait" in leader.evergres(
                "explain", "node", leader.name).stdout, 30,
                lambda: leader.evergres("explain", "node", leader.name).stdout)
            quiet_until = time.monotonic() + 6  # twice voter_timeout: quorum would have gone on
            while time.monotonic() < quiet_until:
                expect(load.acked_count() == before, "acknowledged without a standby: "
                       f"{load.acked_count() - before}, {cluster.brief()}")
                time.sleep(0.2)
            expect(cluster.status()["voters"] == [standby.name], cluster.brief())
            standby.start()
            load.wait_acks(50)


@story(own=True)
def strict_goes_on_with_the_others(new_cluster):
    """Three nodes, strict, one acknowledgement. A lost voter leaves as with quorum, because another
    one can vote; with the second one lost as well writes wait. One of them comes back: they go
    on."""
    with new_cluster(nodes=3, settings={"durability": "strict"}) as cluster:
        cluster.create()
        _proven(cluster, "strict", 1)
        with under_load(cluster, deadline=120.0) as load:
            leader, (first, second) = cluster.leader(), cluster.standbys()
            first.kill_all()
            wait_until(f"a policy without {first}", lambda: (s := leader.status())
                       and s["voters"] == [second.name] and not s["unproven"], 60, cluster.brief)
            load.wait_acks(50)
            second.kill_all()
            wait_until("list saying why", lambda: "strict, and fewer than 1 standbys"
                       in _listed(cluster), 30, lambda: _listed(cluster))
            before = load.acked_count()
            quiet_until = time.monotonic() + 6
            while time.monotonic() < quiet_until:
                expect(load.acked_count() == before, f"acknowledged alone: {cluster.brief()}")
                time.sleep(0.2)
            first.start()  # it was no voter: it enters by a change of the policy
            load.wait_acks(50)
            second.start()
