"""Clients that write, one row a commit, and remember what PostgreSQL acknowledged."""

import contextlib
import itertools
import os
import socket
import threading
import time

import psycopg2

from .waits import StoryFailed, expect, wait_until

_tables = itertools.count(1)
READ_ONLY = "25006"          # refused before anything was written
CANCELLED_WAIT = "canceling the wait for synchronous replication"
CANCELLED_WAIT_OLD = "canceling wait for synchronous replication"


class _Watchdog(threading.Thread):
    """Cuts the connection of a statement that takes longer than its deadline: the kernel of a
    frozen server goes on acknowledging packets, so that no TCP option would."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.deadlines = {}
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.05):
            now = time.monotonic()
            with self.lock:
                for fd, deadline in list(self.deadlines.items()):
                    if now > deadline:
                        del self.deadlines[fd]
                        with contextlib.suppress(OSError):
                            with socket.socket(fileno=os.dup(fd)) as twin:
                                twin.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def watch(self, connection, seconds):
        fd = connection.fileno()
        with self.lock:
            self.deadlines[fd] = time.monotonic() + seconds
        try:
            yield
        finally:
            with self.lock:
                self.deadlines.pop(fd, None)


class Writer(threading.Thread):
    """Inserts the rows first, first + step, … with one commit each and reconnects for ever."""

    def __init__(self, dsn, table, first, step, watchdog, pause=0.002, deadline=4.0, ends=False):
        super().__init__(daemon=True)
        self.dsn, self.table, self.pause, self.deadline = dsn, table, pause, deadline
        self.numbers = itertools.count(first, step)
        self.watchdog = watchdog
        self.acked, self.unknown, self.failed = {}, {}, {}
        self.ends = {} if ends else None  # with ends: by row, where WAL ended after its commit
        self.errors = []
        self.ended = threading.Event()

    def run(self):
        connection = None
        while not self.ended.is_set():
            try:
                if connection is None:
                    connection = psycopg2.connect(self.dsn)
                    connection.autocommit = True
            except psycopg2.Error as error:
                self._note(error)
                self.ended.wait(0.02)
                continue
            if not self._write(connection, next(self.numbers)):
                with contextlib.suppress(psycopg2.Error):
                    connection.close()
                connection = None
            self.ended.wait(self.pause)
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.close()

    def _write(self, connection, number):
        """True if the connection is worth keeping."""
        try:
            del connection.notices[:]
            with self.watchdog.watch(connection, self.deadline), connection.cursor() as cursor:
                cursor.execute(f"insert into {self.table} values (%s)", (number,))
            warned = "".join(connection.notices)
            if CANCELLED_WAIT in warned or CANCELLED_WAIT_OLD in warned:
                self.unknown[number] = time.monotonic()
                return False
            self.acked[number] = time.monotonic()
            if self.ends is not None:
                self._note_end(connection, number)
            return True
        except psycopg2.Error as error:
            self._note(error)
            outcome = self.failed if error.pgcode == READ_ONLY else self.unknown
            outcome[number] = time.monotonic()
            return False

    def _note_end(self, connection, number):
        with self.watchdog.watch(connection, self.deadline), connection.cursor() as cursor:
            cursor.execute("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
            self.ends[number] = int(cursor.fetchone()[0])

    def _note(self, error):
        if len(self.errors) < 2000:
            self.errors.append((time.monotonic(), str(error).strip().splitlines()[:1]))


class Load:
    """Several writers on one new table of the cluster."""

    def __init__(self, cluster, writers=4, **options):
        self.cluster = cluster
        self.table = f"rows_{os.getpid()}_{next(_tables)}"
        with contextlib.closing(psycopg2.connect(cluster.dsn())) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"create table {self.table} (id bigint primary key)")
        self.watchdog = _Watchdog()
        self.watchdog.start()
        self.writers = []
        for i in range(writers):
            order = cluster.nodes[i % len(cluster.nodes):] + cluster.nodes[:i % len(cluster.nodes)]
            self.writers.append(Writer(cluster.dsn(order), self.table, i, writers, self.watchdog,
                                       **options))
        for writer in self.writers:
            writer.start()

    # copy() is one step for the other threads; list(items()) is not, it may collect garbage.
    def acked(self):
        return {number: at for writer in self.writers for number, at in writer.acked.copy().items()}

    def acked_count(self):
        return sum(len(writer.acked) for writer in self.writers)

    def unknown(self):
        return {number for writer in self.writers for number in list(writer.unknown)}

    def ends(self):
        return {number: end for writer in self.writers for number, end in writer.ends.copy().items()}

    def wait_acks(self, count=20, seconds=60):
        """Waits for `count` further acknowledgements."""
        goal = self.acked_count() + count
        wait_until(f"{count} more acknowledged rows", lambda: self.acked_count() >= goal, seconds,
                   lambda: f"{self.acked_count()} acknowledged; {self.cluster.brief()}; "
                           f"{[w.errors[-1:] for w in self.writers]}")

    def longest_gap(self):
        """Seconds between two neighbouring acknowledgements of anybody."""
        times = sorted(self.acked().values())
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    def stop(self):
        for writer in self.writers:
            writer.ended.set()
        for writer in self.writers:
            writer.join(timeout=30)
            expect(not writer.is_alive(), "a writer did not end")
        self.watchdog.ended.set()
        return self

    def rows(self, node):
        return {int(line) for line in node.sql(f"select id from {self.table}")}

    def assert_nothing_lost(self, everywhere=True):
        """Every acknowledged row is on the leader and, with `everywhere`, all nodes hold exactly
        the rows of the leader: nothing lost, nothing that only one of them has."""
        leader = self.cluster.wait_leader()
        truth = self.rows(leader)
        acked = self.acked()
        expect(acked, "no row was acknowledged at all")
        lost = sorted(set(acked) - truth)
        expect(not lost, f"LOST on {leader}: {len(lost)} of {len(acked)} acknowledged rows, "
                         f"first {lost[:5]}")
        strangers = sorted(truth - set(acked) - self.unknown())
        expect(not strangers, f"rows that nobody was told about: {strangers[:5]}")
        for node in self.cluster.nodes if everywhere else []:
            if node is not leader:
                wait_until(f"{node} holding the {len(truth)} rows of {leader}",
                           lambda: self._rows_or_none(node) == truth, 60,
                           lambda: f"missing {len(truth - self._seen)}, extra "
                                   f"{sorted(self._seen - truth)[:5]}")

    def _rows_or_none(self, node):
        try:
            self._seen = self.rows(node)
        except StoryFailed:
            self._seen = set()
        return self._seen


@contextlib.contextmanager
def under_load(cluster, writers=4, healthy=True, **options):
    """Runs the block under writes; then writes go on, all nodes stream again and nothing that was
    acknowledged is missing anywhere. healthy=False: only the leader is compared."""
    load = Load(cluster, writers, **options)
    try:
        load.wait_acks(50)
        yield load
        load.wait_acks(20)
        if healthy:
            cluster.wait_healthy()
    finally:
        load.stop()
    load.assert_nothing_lost(everywhere=healthy)
