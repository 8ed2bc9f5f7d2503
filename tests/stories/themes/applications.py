"""What an application sees: its transactions, its sessions, its sequences."""

import contextlib
import itertools

import psycopg2

from harness import expect, story, under_load, wait_until


def _connect(cluster, nodes=None, **extra):
    connection = psycopg2.connect(cluster.dsn(nodes, **extra))
    connection.autocommit = True
    return connection


def _fetch(connection, query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else None


@contextlib.contextmanager
def _table(cluster, name, columns):
    cluster.leader().sql(f"create table {name} ({columns})")
    yield name
    cluster.wait_leader().sql(f"drop table {name}")


def _grant(cluster, table):
    cluster.leader().sql(f"grant all on {table} to app")


@story()
def a_large_transaction_is_whole_or_absent(cluster):
    """The leader dies in the middle of a transaction of many rows: afterwards all of them are there
    or none, and all if it was acknowledged."""
    rows = 300_000
    with _table(cluster, "large", "id bigint primary key, text text") as table:
        _grant(cluster, table)
        outcome = []

        def insert():
            try:
                with contextlib.closing(_connect(cluster)) as connection:
                    _fetch(connection, f"insert into {table} select i, repeat('x', 100) "
                                       f"from generate_series(1, {rows}) i")
                    outcome.append("acknowledged")
            except psycopg2.Error as error:
                outcome.append(str(error))
        with under_load(cluster):
            leader = cluster.leader()
            thread = cluster.in_background(insert)
            wait_until("the transaction in the middle of its rows", lambda: leader.sql(
                f"select pg_relation_size('{table}') > 4000000") == ["t"], 30)
            leader.kill("postmaster")
            cluster.wait_leader(other_than=leader)
            thread.join(60)
            expect(outcome, "the client hangs")
            cluster.wait_healthy()
        found = int(cluster.leader().sql(f"select count(*) from {table}")[0])
        expect(found == rows or found == 0 and outcome != ["acknowledged"],
               f"{found} rows of {rows}; {outcome}")


@story()
def a_prepared_transaction_survives_a_failover(cluster):
    """What was prepared and acknowledged on the old leader is committed on the new one."""
    leader = cluster.leader()
    done = leader.evergres("edit-config", "--force", "--wait", "-p", "max_prepared_transactions=5")
    expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
    done = leader.evergres("restart", "--pending", "--force", timeout=180)
    expect(done.returncode == 0, f"{done.stderr}{done.stdout}")
    cluster.wait_healthy()
    with _table(cluster, "prepared", "id int") as table:
        _grant(cluster, table)
        with under_load(cluster):
            with contextlib.closing(_connect(cluster)) as connection:
                _fetch(connection, "begin")
                _fetch(connection, f"insert into {table} values (1)")
                _fetch(connection, "prepare transaction 'order 66'")
            old = cluster.leader()
            old.kill_all()
            new = cluster.wait_leader(other_than=old)
            expect(new.sql("select gid from pg_prepared_xacts") == ["order 66"],
                   "the prepared transaction is lost")
            with contextlib.closing(_connect(cluster)) as connection:
                _fetch(connection, "commit prepared 'order 66'")
            old.start()
        for node in cluster.nodes:
            wait_until(f"the row on {node}", lambda node=node: node.sql(
                f"select id from {table}") == ["1"], 30)


@story()
def an_open_transaction_ends_with_its_leader(cluster):
    """A session that sits in a transaction when its leader hands over cannot commit it; nothing of
    it is on the new leader, and the application learns of it by an error."""
    with _table(cluster, "unfinished", "id int") as table, under_load(cluster):
        _grant(cluster, table)
        with contextlib.closing(_connect(cluster)) as connection:
            _fetch(connection, "begin")
            _fetch(connection, f"insert into {table} values (1)")
            cluster.switchover(cluster.standbys()[0])
            failure = None
            try:
                _fetch(connection, "commit")
            except psycopg2.Error as error:
                failure = error
            expect(failure is not None, "a commit on the old leader was acknowledged")
        cluster.wait_healthy()
        for node in cluster.nodes:
            expect(node.sql(f"select count(*) from {table}") == ["0"], f"a row on {node}")


@story()
def a_reader_stays_connected_through_a_switchover(cluster):
    """A session on the standby that does not become leader goes on, and sees what the new leader
    writes."""
    with _table(cluster, "news", "id int") as table, under_load(cluster):
        _grant(cluster, table)
        heir, other = cluster.standbys()
        wait_until(f"the table on {other}", lambda: other.sql(
            f"select count(*) from pg_tables where tablename = '{table}'") == ["1"], 30)
        with contextlib.closing(_connect(cluster, [other], target_session_attrs="any")) as reader:
            (pid,), = _fetch(reader, "select pg_backend_pid()")
            cluster.switchover(heir)
            heir.sql(f"insert into {table} values (7)")
            wait_until("the row on the same connection",
                       lambda: _fetch(reader, f"select id from {table}") == [(7,)], 30)
            (now,), = _fetch(reader, "select pg_backend_pid()")
            expect(now == pid, "it is another session")


@story()
def a_sequence_gives_no_number_twice(cluster):
    """Numbers that were committed with their rows are not given out again by the next leader."""
    with _table(cluster, "orders", "id serial primary key, who int") as table:
        _grant(cluster, table)
        cluster.leader().sql(f"grant all on sequence {table}_id_seq to app")
        acknowledged = []

        def order(ended):
            for who in itertools.count():
                if ended:
                    return
                with contextlib.suppress(psycopg2.Error), \
                        contextlib.closing(_connect(cluster)) as connection:
                    while not ended:
                        (number,), = _fetch(
                            connection, f"insert into {table} (who) values ({who}) returning id")
                        acknowledged.append(number)
        ended = []
        with under_load(cluster):
            threads = [cluster.in_background(order, ended) for _ in range(2)]
            for _ in range(2):
                before = len(acknowledged)
                wait_until("orders", lambda: len(acknowledged) > before + 200, 60)
                leader = cluster.leader()
                leader.kill("postmaster")
                cluster.wait_leader(other_than=leader)
                cluster.wait_healthy()
            ended.append(True)
            for thread in threads:
                thread.join(30)
        expect(len(set(acknowledged)) == len(acknowledged), "a number was acknowledged twice")
        there = {int(line) for line in cluster.leader().sql(f"select id from {table}")}
        lost = sorted(set(acknowledged) - there)
        expect(not lost, f"LOST: {len(lost)} acknowledged orders, first {lost[:5]}")


@story()
def a_commit_with_remote_apply_is_seen_at_once(cluster):
    """With synchronous_commit = remote_apply an acknowledged row can be read on a voter, and it is
    on the next leader."""
    with _table(cluster, "applied", "id int") as table:
        _grant(cluster, table)
        with under_load(cluster):
            old = cluster.leader()
            with contextlib.closing(_connect(cluster)) as connection:
                _fetch(connection, "set synchronous_commit = remote_apply")
                for number in range(50):
                    _fetch(connection, f"insert into {table} values ({number})")
                    seen = [node.sql(f"select count(*) from {table}") for node in
                            cluster.standbys()]
                    expect([str(number + 1)] in seen, f"row {number} is on no standby: {seen}")
            old.kill_all()
            new = cluster.wait_leader(other_than=old)
            expect(new.sql(f"select count(*) from {table}") == ["50"], "LOST: a row of remote_apply")
            old.start()
