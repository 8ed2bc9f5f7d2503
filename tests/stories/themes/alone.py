"""Endpoints on machines without a node."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import psycopg2

from harness import expect, story, wait_until
from harness.alone import Alone, External
from harness.endpoint import endpoint_dsn, with_endpoint, workloads


@story(own=True)
def an_endpoint_without_a_node_follows_ten_switchovers(new_cluster):
    """It knows agents and what proxy-config wrote, nothing else, and runs as another user. Its
    clients verify its certificate, meet ten switchovers and restarts of all agents, and are told no
    error."""
    with with_endpoint(new_cluster) as cluster:
        if cluster is None:
            return
        with Alone(cluster) as alone:
            with workloads.Bank(alone.dsn()) as bank:
                for number in range(10):
                    if number % 3 == 1:
                        for node in cluster.nodes:
                            agent = node.agent()
                            node.kill("agent")
                            wait_until(f"a new agent of {node}",
                                       lambda: node.agent() not in (None, agent), 30)
                        cluster.wait_healthy()
                    before = bank.acknowledged()
                    cluster.switchover(cluster.standbys()[0])
                    cluster.wait_healthy()
                    wait_until("new transactions", lambda: bank.acknowledged() > before + 10, 30,
                               lambda: bank.errors[-3:])
                    leader = cluster.leader()
                    asked = subprocess.run(
                        ["psql", "-XAtqc", "select inet_server_port() from pg_stat_ssl where ssl "
                         "and pid = pg_backend_pid()", alone.dsn()],
                        capture_output=True, text=True, timeout=60, check=False)
                    expect(asked.stdout.strip() == str(leader.postgres_port),
                           f"psql is not on {leader} with TLS: {asked.stdout}{asked.stderr}")
            expect(not bank.errors, f"clients were told errors: {bank.errors[:5]}")
            expect(not bank.anomalies(), f"{bank.anomalies()}")
            print(f"   {bank.acknowledged()} transactions, no error", flush=True)


@story(own=True)
def external_servers_are_followed_by_looking(new_cluster):
    """Nobody tells this endpoint who leads. It finds the new primary after a switchover and after a
    crash, remembers it across a start of its own, and no client is told what is not true."""
    with new_cluster(3) as cluster:
        cluster.create()
        cluster.leader().sql("grant select (rolname, rolpassword, rolcanlogin, rolvaliduntil) "
                             "on pg_catalog.pg_authid to app")
        with External(cluster) as external:
            with workloads.Bank(external.dsn()) as bank:
                for change in ("none", "switchover", "crash"):
                    before, term = bank.acknowledged(), cluster.status()["term"]
                    if change == "switchover":
                        cluster.switchover(cluster.standbys()[0])
                    elif change == "crash":
                        cluster.leader().kill("postmaster")
                        cluster.wait_leader(above_term=term)
                    leader = cluster.wait_healthy()
                    wait_until(f"transactions on {leader} after: {change}",
                               lambda: bank.acknowledged() > before + 20 and asked_at(external)
                               == leader.postgres_port, 60, lambda: bank.errors[-3:])
            expect(not bank.anomalies(), f"{bank.anomalies()}")
            known = (external.directory / "state/external.known").read_text()
            expect(int(known.split()[1]) >= 3, f"it remembers {known}")
            external.process.terminate()
            expect(external.process.wait(timeout=30) == 0, "it did not end well")
            external.process = external.start()
            wait_until("the same primary", lambda: asked_at(external) == leader.postgres_port, 60)
            print(f"   {bank.acknowledged()} transactions, {len(bank.errors)} told of a failure",
                  flush=True)


def asked_at(endpoint):
    """The port of the PostgreSQL that answers."""
    try:
        with contextlib.closing(psycopg2.connect(endpoint.dsn())) as connection:
            with connection.cursor() as cursor:
                cursor.execute("select inet_server_port()")
                return cursor.fetchone()[0]
    except psycopg2.Error:
        return None


class Knocking:
    """Clients that connect, ask one thing and leave, again and again; and one that stays. As a
    context they run."""

    def __init__(self, dsn, clients=3):
        self.dsn, self.ended, self.errors, self.count = dsn, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.knock, daemon=True) for _ in range(clients)]

    def knock(self):
        while not self.ended.is_set():
            try:
                with contextlib.closing(psycopg2.connect(self.dsn)) as connection:
                    with connection.cursor() as cursor:
                        cursor.execute("select 1")
                self.count += 1
            except psycopg2.Error as error:
                self.errors.append(str(error).strip())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)

    def wait_more(self, count=50):
        goal = self.count + count
        wait_until("more connections", lambda: self.count >= goal or self.errors, 60)
        expect(not self.errors, f"a client was told: {self.errors[:3]}")


def _restarts(dsn, replace):
    """Three replacements while clients connect and one stays in the middle of a transaction."""
    with Knocking(dsn) as knocking:
        knocking.wait_more()
        for _ in range(3):
            with contextlib.closing(psycopg2.connect(dsn)) as stays:
                with stays.cursor() as cursor:
                    cursor.execute("create temporary table here (n int)")
                    replace()
                    knocking.wait_more()
                    cursor.execute("insert into here values (1)")
                stays.commit()
                with stays.cursor() as cursor:
                    cursor.execute("select count(*) from here")
                    expect(cursor.fetchone()[0] == 1, "the session is another one")
                stays.commit()
    expect(not knocking.errors, f"clients were told errors: {knocking.errors[:3]}")
    print(f"   {knocking.count} connections, no error", flush=True)


@story(own=True)
def an_endpoint_is_replaced_under_its_clients(new_cluster):
    """The process of an endpoint is replaced three times, beside a node and without one: nobody who
    connects is refused, and whoever is connected stays until they leave."""
    with with_endpoint(new_cluster, nodes=1) as cluster:
        if cluster is None:
            return
        node = cluster.nodes[0]

        def took_over():
            return (node.directory / "run.log").read_text().count("took the place")

        def replaced_by_the_supervisor():
            before = took_over()
            os.kill(node.keeper(), signal.SIGUSR2)
            wait_until("the new process serves", lambda: took_over() > before, 30)
        _restarts(endpoint_dsn(cluster, node), replaced_by_the_supervisor)
        wait_until("the end of all but one", lambda: len(node.endpoints()) == 1, 30)

        with Alone(cluster) as alone:
            def replaced_by_hand():
                old, said = alone.process, alone.log_text().count("took the place")
                alone.process = alone.start()
                wait_until("the new process serves",
                           lambda: alone.log_text().count("took the place") > said, 30,
                           alone.log_text)
                expect(old.poll() is None, "the old process did not wait for its client")
                olds.append(old)
            olds = []
            _restarts(alone.dsn(), replaced_by_hand)
            for old in olds:
                expect(old.wait(timeout=30) == 0, "a replaced process did not end well")


def _alive(processes):
    return [process for process in processes if process.poll() is None]


@story(own=True)
def endpoints_that_start_at_once_leave_one(new_cluster):
    """Beside a node SIGUSR2 comes twice, once before the first process has opened its door; alone
    five processes start in one moment, and once more beside one that serves. Each time one is left,
    nobody who connects is refused, and one that was replaced reads its files anew for the client
    that stays with it."""
    with with_endpoint(new_cluster, nodes=1) as cluster:
        if cluster is None:
            return
        node = cluster.nodes[0]
        with Knocking(endpoint_dsn(cluster, node)) as knocking:
            knocking.wait_more()
            os.kill(next(iter(node.endpoints())), signal.SIGKILL)
            wait_until("another process", lambda: len(node.endpoints()) == 1, 30)
            del knocking.errors[:]  # it was killed
            for _ in range(2):
                os.kill(node.keeper(), signal.SIGUSR2)
                time.sleep(0.3)
            wait_until("a replacement", lambda: "took the place" in
                       (node.directory / "run.log").read_text(), 60)
            wait_until("the end of all but one", lambda: len(node.endpoints()) == 1, 60)

        with Alone(cluster) as alone:
            first, started = alone.process, []
            try:
                with Knocking(alone.dsn()) as knocking:
                    _start_at_once(alone, first, started, knocking)
                expect(not knocking.errors, f"clients were told errors: {knocking.errors[:3]}")
            finally:
                for process in _alive([first, *started]):
                    if process is not alone.process:
                        process.kill()


def _start_at_once(alone, first, started, knocking):
    knocking.wait_more()
    with contextlib.closing(psycopg2.connect(alone.dsn())) as stays:
        stays.autocommit = True
        started += [alone.start() for _ in range(5)]
        wait_until("the end of all but one that serves", lambda: len(_alive(started)) == 1, 60,
                   alone.log_text)
        alone.process = _alive(started)[0]
        expect(first.poll() is None, "the first did not wait for its client")
        knocking.wait_more()
        _replaced_reloads(alone, first, stays)
    for process in [first, *started]:
        if process is not alone.process:
            expect(process.wait(timeout=30) == 0, f"a process ended with {process.poll()}")


def _replaced_reloads(alone, replaced, stays):
    text = alone.config().read_text()
    alone.config().write_text(text.replace("proxy:\n", "proxy:\n  query_timeout: 500ms\n"))
    said = alone.log_text().count("were read again")
    replaced.send_signal(signal.SIGHUP)
    wait_until("the replaced process reads its file again",
               lambda: alone.log_text().count("were read again") > said, 30, alone.log_text)
    with stays.cursor() as cursor:
        try:
            cursor.execute("select pg_sleep(30)")
            expect(False, "query_timeout is not in force")
        except psycopg2.errors.QueryCanceled as error:
            expect("query_timeout" in str(error), f"it was told: {error}")
