"""Planned changes of the leader."""

import contextlib
import itertools
import json
import sqlite3
import subprocess
import threading
import time

import psycopg2

from harness import expect, story, under_load, wait_until
from harness.cluster import as_server_user


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


def _last_facts(cluster, term):
    """What the history says of the first term after `term`."""
    entry = wait_until("the history of the new term", lambda: next(
        (one for one in cluster.history() if one["term"] > term), None))
    return " ".join(entry["facts"])


@story(ci=True)
def open_transactions_may_end(cluster):
    """A switchover waits for transactions that are open, for drain_timeout (5 s) at most; it says so
    while it waits and in the history. Others begin and end meanwhile, and nobody waits for those."""
    with under_load(cluster) as load:
        first, second = cluster.leader(), cluster.standbys()[0]
        term = cluster.status()["term"]
        first.sql("create table drained (id int); grant all on drained to app")
        with contextlib.closing(psycopg2.connect(cluster.dsn([first]))) as held:
            with held.cursor() as cursor:
                cursor.execute("insert into drained values (1)")
                moving = cluster.in_background(cluster.switchover, second)
                wait_until("the switchover to say that it waits", lambda: any(
                    "waits for 1 transaction to end" in node["doing"]
                    for node in cluster.status()["nodes"]), 4, cluster.brief, every=0.02)
                expect(cluster.leader() is first, "the leader changed")
                load.wait_acks(5)
                held.commit()
                moving.join(60)
        cluster.wait_leader(first)
        load.wait_acks(20)
        facts = _last_facts(cluster, term)
        expect("clients: waited" in facts and "did not end" not in facts,
               f"the history does not say that it waited: {facts}")
        cluster.wait_healthy()
        term = cluster.status()["term"]
        with contextlib.closing(psycopg2.connect(cluster.dsn([second]))) as forgotten:
            with forgotten.cursor() as cursor:
                cursor.execute("select count(*) from drained")
                expect(cursor.fetchone()[0] == 1, "the transaction that was waited for is lost")
                began = time.monotonic()
                cluster.switchover(first)
                took = time.monotonic() - began
        expect(5 <= took < 30, f"with a forgotten transaction the switchover took {took:.1f} s")
        load.wait_acks(20)
        facts = _last_facts(cluster, term)
        expect("1 did not end" in facts, f"the history does not say who was cut off: {facts}")
        first.sql("drop table drained")


@story(ci=True)
def endpoints_are_told_at_once(cluster):
    """`evergres endpoints --watch` hears, as every endpoint does, that a handover is about to begin,
    that nobody leads, and who leads then."""
    first, second = cluster.leader(), cluster.standbys()[0]
    argv = as_server_user([str(cluster.program), "endpoints", "--watch", "-o", "json", "-c",
                           str(first.config)])
    words = []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd="/",
                          stdin=subprocess.DEVNULL) as watching:
        reader = threading.Thread(target=lambda: words.extend(map(json.loads, watching.stdout)),
                                  daemon=True)
        reader.start()
        try:
            wait_until("the first word", lambda: words and words[-1]["leader"] == first.name)
            cluster.switchover(second)
            streaming = {node.name: node is not second for node in cluster.nodes}
            wait_until("the new leader and both standbys to be told", lambda: streaming == {
                node["name"]: node["replays"] for node in words[-1]["nodes"]})
        finally:
            watching.terminate()
            reader.join(10)
    told = ["drains" if word["draining"] else word["leader"] or "nobody" for word in words]
    stages = [stage for stage, _ in itertools.groupby(told)]
    expect(stages == [first.name, "drains", "nobody", second.name], f"it was told {stages}")
    terms = [word["term"] for word in words]
    expect(terms == sorted(terms), f"terms went back: {terms}")


def _leaderships(cluster):
    with contextlib.closing(sqlite3.connect(cluster.store, timeout=30)) as db:
        text, = db.execute("select value from entry where key = cast(? as blob)",
                           (f"/evergres/{cluster.name}/record",)).fetchone()
    return json.loads(text)["leaderships"]


def _write(node):
    """The id of a transaction that committed."""
    return int(node.sql("insert into ids values (1) returning pg_current_xact_id()")[-1])


def _uncertain_starts(cluster):
    return sum(node.log_text().count("is not certain: something was written before") for node in
               cluster.nodes)


@story(ci=True)
def each_leadership_tells_which_ids_are_its_own(cluster):
    """Behind a promotion, planned or not, ids of the old leader that were lost are given out again.
    The record has the first id of each leadership that opened, so that nobody who asks what became
    of a COMMIT is told of another transaction."""
    with under_load(cluster) as load:
        cluster.wait_healthy()
        cluster.leader().sql("create table ids(n int)")
        # Stories of a run share their cluster: it may have had leaderships before.
        of_terms = {cluster.status()["term"]: [_write(cluster.leader())]}
        before = [each["term"] for each in _leaderships(cluster)]
        said_before = _uncertain_starts(cluster)
        for planned in (True, False, True):
            leader, term = cluster.leader(), cluster.status()["term"]
            of_terms[term].append(_write(leader))
            if planned:
                cluster.switchover(cluster.standbys()[0])
            else:
                leader.kill("postmaster")
            new = cluster.wait_leader(other_than=leader, above_term=term)
            of_terms[cluster.status()["term"]] = [_write(new)]
            load.wait_acks(20)
            cluster.wait_healthy()
    found = _leaderships(cluster)
    terms = [each["term"] for each in found]
    # The record keeps so many leaderships that the oldest of a long life may be gone by now.
    expect(terms[-len(of_terms):] == sorted(of_terms), f"{found}, served: {of_terms}")
    expect([each["after"] for each in found][1:] == terms[:-1], f"no chain: {found}")
    of_this_story = [each for each in found if each["term"] not in before]
    # The background writer may write at that very moment; the log says so.
    unknown = sum(each["next_xid"] is None for each in of_this_story)
    said = _uncertain_starts(cluster) - said_before
    expect(unknown == said and unknown < 2, f"unknown without a reason: {found}")
    for each in of_this_story:
        first = each["next_xid"]
        for term, ids in of_terms.items():
            wrong = [one for one in ids if first and (one >= first) != (term >= each["term"])]
            expect(not wrong, f"{wrong} of term {term} are on the wrong side of {each}")
