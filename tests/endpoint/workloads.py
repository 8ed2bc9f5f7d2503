"""Bank, append and echo: clients that remember what they were told, and the check at the end."""

import contextlib
import itertools
import random
import secrets
import threading
import time

import psycopg2

import checks
from checks import FAILED, OK, UNKNOWN

NOTHING_HAPPENED = {"40001", "57P03", "25006"}
OPENING, ACCOUNTS, LISTS = 1000, 8, 6


def query(dsn, text, *values):
    with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall()


def prepare(dsn, *statements):
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class Client(threading.Thread):
    """One connection that does step() again and again and connects anew when it is broken."""

    def __init__(self, workload, number):
        super().__init__(daemon=True)
        self.workload, self.number, self.connection = workload, number, None
        self.random = random.Random(number)
        self.connects = 0

    def run(self):
        while not self.workload.ended.wait(self.workload.pause):
            try:
                if self.connection is None:
                    self.connection = psycopg2.connect(self.workload.dsn)
                    self.connects += 1
            except psycopg2.Error as error:
                self.workload.note(error)
                continue
            try:
                self.workload.step(self)
            except psycopg2.Error as error:
                self.workload.note(error)
                self.recover()
        if self.connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self.connection.close()

    def recover(self):
        try:
            self.connection.rollback()
        except psycopg2.Error:
            self.connection = None

    def cursor(self, autocommit):
        self.connection.autocommit = autocommit
        return self.connection.cursor()


class Workload:
    """Several clients of one kind against one address. As a context it is stopped at the end."""

    def __init__(self, dsn, clients=3, pause=0.005):
        self.dsn, self.pause = dsn, pause
        self.id = secrets.token_hex(4)
        self.ended = threading.Event()
        self.told, self.errors = [], []  # appended to by several threads, read after they ended
        self.set_up()
        self.clients = [Client(self, number) for number in range(clients)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, seconds=60):
        """Ends the clients; a RuntimeError if one is stuck."""
        self.ended.set()
        for client in self.clients:
            client.join(seconds)
        if any(client.is_alive() for client in self.clients):
            raise RuntimeError(f"a client of {type(self).__name__} is stuck")

    def note(self, error):
        if len(self.errors) < 1000:
            text = (str(error).strip().splitlines() or [""])[0]
            self.errors.append(f"{error.pgcode or '-----'} {text}")

    def acknowledged(self):
        return sum(getattr(entry, "outcome", OK) == OK for entry in self.told)

    def unknown_share(self):
        return checks.unknown_share([getattr(entry, "outcome", OK) for entry in self.told])


def outcome_of(error, may_have_committed):
    """What an error says about the transaction that it ended."""
    if not may_have_committed or error.pgcode in NOTHING_HAPPENED:
        return FAILED
    return UNKNOWN


class Bank(Workload):
    """Transfers in transactions with a line in the ledger each; sometimes all money is counted."""

    def set_up(self):
        self.numbers = itertools.count(1)
        self.sums = []
        self.opening = {account: OPENING for account in range(ACCOUNTS)}
        prepare(self.dsn, f"create table bank_{self.id} (id int primary key, money bigint not null)",
                f"create table ledger_{self.id} (id text, source int, target int, amount int)",
                f"insert into bank_{self.id} select i, {OPENING} "
                f"from generate_series(0, {ACCOUNTS - 1}) i")

    def step(self, client):
        if client.random.random() < 0.2:
            with client.cursor(autocommit=True) as cursor:
                cursor.execute(f"select sum(money) from bank_{self.id}")
                self.sums.append(int(cursor.fetchone()[0]))
            return
        source, target = client.random.sample(range(ACCOUNTS), 2)
        transfer = checks.Transfer(f"{client.number}-{next(self.numbers)}", source, target,
                                   client.random.randint(1, 50), FAILED)
        committing = False
        try:
            with client.cursor(autocommit=False) as cursor:
                for account in sorted((source, target)):  # in one order: no deadlocks
                    cursor.execute(f"update bank_{self.id} set money = money + %s where id = %s",
                                   (transfer.amount if account == target else -transfer.amount,
                                    account))
                cursor.execute(f"insert into ledger_{self.id} values (%s, %s, %s, %s)",
                               (transfer.id, source, target, transfer.amount))
            committing = True
            client.connection.commit()
            transfer.outcome = OK
        except psycopg2.Error as error:
            transfer.outcome = outcome_of(error, committing)
            raise
        finally:
            self.told.append(transfer)

    def anomalies(self):
        balances = dict(query(self.dsn, f"select id, money from bank_{self.id}"))
        ledger = query(self.dsn, f"select id, source, target, amount from ledger_{self.id}")
        return checks.bank(self.told, self.sums, self.opening, balances, ledger)


class Append(Workload):
    """Items at the end of lists, each in a statement of its own; sometimes a list is read."""

    def set_up(self):
        self.items = itertools.count(1)
        prepare(self.dsn, f"create table lists_{self.id} (id int primary key, items int[] not null)",
                f"insert into lists_{self.id} select i, '{{}}' "
                f"from generate_series(0, {LISTS - 1}) i")

    def step(self, client):
        key, began = client.random.randrange(LISTS), time.monotonic()
        with client.cursor(autocommit=True) as cursor:
            if client.random.random() < 0.3:
                cursor.execute(f"select items from lists_{self.id} where id = %s", (key,))
                seen = tuple(cursor.fetchone()[0])
                self.told.append(checks.Read(key, began, time.monotonic(), seen))
                return
            operation = checks.Append(key, next(self.items), UNKNOWN, began, 0.0)
            try:
                cursor.execute(f"update lists_{self.id} set items = items || %s where id = %s "
                               "returning items", (operation.item, key))
                operation.seen = tuple(cursor.fetchone()[0])
                operation.outcome = OK
            except psycopg2.Error as error:
                operation.outcome = outcome_of(error, True)
                raise
            finally:
                operation.ended = time.monotonic()
                self.told.append(operation)

    def anomalies(self):
        return checks.append(self.told, dict(query(self.dsn, f"select * from lists_{self.id}")))


class EchoToken(Workload):
    """Each question carries a token that nobody else has, and the answer is full of it."""

    def set_up(self):
        self.numbers = itertools.count(1)

    def step(self, client):
        token, rows = f"{client.number}:{next(self.numbers)}", client.random.choice((1, 3, 400))
        with client.cursor(autocommit=client.random.random() < 0.5) as cursor:
            cursor.execute("select %s::text from generate_series(1, %s)", (token, rows))
            answers = tuple(answer for answer, in cursor.fetchall())
        if not client.connection.autocommit:
            client.connection.commit()
        self.told.append(checks.Echo(token, rows, answers))

    def anomalies(self):
        return checks.echo(self.told)


ALL = (Bank, Append, EchoToken)
