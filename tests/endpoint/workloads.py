"""Clients that remember what they were told, and the check at the end."""

import collections
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
        return sum(entry.get("told", OK) == OK for entry in self.told)

    def unknown_share(self):
        return checks.unknown_share([entry.get("told", OK) for entry in self.told])

    def anomalies(self):
        return checks.judge(self.history(*self.there()))

    def there(self):
        """What is in the database now: the arguments of history()."""
        return ()


def span(began, told):
    """No end for what is unknown."""
    return {"began": began, "ended": None if told == UNKNOWN else time.monotonic_ns()}


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
        self.opening = {str(account): OPENING for account in range(ACCOUNTS)}
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
        transfer = {"id": f"{client.number}-{next(self.numbers)}", "from": str(source),
                    "to": str(target), "amount": client.random.randint(1, 50), "told": FAILED}
        committing = False
        try:
            with client.cursor(autocommit=False) as cursor:
                for account in sorted((source, target)):  # in one order: no deadlocks
                    cursor.execute(f"update bank_{self.id} set money = money + %s where id = %s",
                                   (transfer["amount"] if account == target
                                    else -transfer["amount"], account))
                cursor.execute(f"insert into ledger_{self.id} values (%s, %s, %s, %s)",
                               (transfer["id"], source, target, transfer["amount"]))
            committing = True
            client.connection.commit()
            transfer["told"] = OK
        except psycopg2.Error as error:
            transfer["told"] = outcome_of(error, committing)
            raise
        finally:
            self.told.append(transfer)

    def there(self):
        return (dict(query(self.dsn, f"select id, money from bank_{self.id}")),
                query(self.dsn, f"select id, source, target, amount from ledger_{self.id}"))

    def history(self, balances, ledger):
        lines = [{"id": line[0], "from": str(line[1]), "to": str(line[2]), "amount": line[3],
                  "told": OK} for line in ledger]
        return {"workload": "bank", "opening": self.opening, "transfers": self.told,
                "totals": self.sums, "ledger": lines,
                "balances": {str(account): money for account, money in balances.items()}}


class Append(Workload):
    """Items at the end of lists, each in a statement of its own; sometimes a list is read."""

    def set_up(self):
        self.items = itertools.count(1)
        prepare(self.dsn, f"create table lists_{self.id} (id int primary key, items int[] not null)",
                f"insert into lists_{self.id} select i, '{{}}' "
                f"from generate_series(0, {LISTS - 1}) i")

    @staticmethod
    def appended(key, item, told, when, seen):
        read = [{"append": False, "key": key, "item": 0, "seen": seen}] if told == OK else []
        return {"steps": [{"append": True, "key": key, "item": item, "seen": []}, *read],
                "told": told, "span": when}

    def step(self, client):
        key, began = client.random.randrange(LISTS), time.monotonic_ns()
        with client.cursor(autocommit=True) as cursor:
            if client.random.random() < 0.3:
                cursor.execute(f"select items from lists_{self.id} where id = %s", (key,))
                seen = cursor.fetchone()[0]
                self.told.append({"steps": [{"append": False, "key": str(key), "item": 0,
                                             "seen": seen}], "told": OK, "span": span(began, OK)})
                return
            item, told, seen = next(self.items), UNKNOWN, []
            try:
                cursor.execute(f"update lists_{self.id} set items = items || %s where id = %s "
                               "returning items", (item, key))
                seen, told = cursor.fetchone()[0], OK
            except psycopg2.Error as error:
                told = outcome_of(error, True)
                raise
            finally:
                self.told.append(self.appended(str(key), item, told, span(began, told), seen))

    def there(self):
        return (dict(query(self.dsn, f"select * from lists_{self.id}")),)

    def history(self, lists):
        return {"workload": "lists", "transactions": self.told, "isolation": "serializable",
                "in_real_time": True, "last": {str(key): items for key, items in lists.items()}}


class Register(Workload):
    """Registers that are read, written, and changed only if they have the expected value. New ones
    are begun all the time: one with hundreds of uses takes long to judge."""

    def set_up(self):
        self.values = itertools.count(1)
        self.began = time.monotonic()
        prepare(self.dsn, f"create table registers_{self.id} (id text primary key, value int)")

    def step(self, client):
        register = f"{int(time.monotonic() - self.began)}-{client.random.randrange(2)}"
        use = {"key": register, "kind": client.random.choice(("read", "write", "compare_and_set")),
               "value": None, "expected": None, "told": UNKNOWN}
        table, value, began = f"registers_{self.id}", next(self.values), time.monotonic_ns()
        with client.cursor(autocommit=True) as cursor:
            try:
                if use["kind"] == "read":
                    cursor.execute(f"select value from {table} where id = %s", (register,))
                    use["value"] = (cursor.fetchone() or [None])[0]
                elif use["kind"] == "write":
                    use["value"] = value
                    cursor.execute(f"insert into {table} values (%s, %s) on conflict (id) do update "
                                   "set value = excluded.value", (register, value))
                else:
                    use["value"], use["expected"] = value, client.random.randint(max(1, value - 9),
                                                                                 value)
                    cursor.execute(f"update {table} set value = %s where id = %s and value = %s",
                                   (value, register, use["expected"]))
                    if cursor.rowcount == 0:
                        use["told"] = FAILED
                        return
                use["told"] = OK
            except psycopg2.Error as error:
                use["told"] = outcome_of(error, True)
                raise
            finally:
                self.told.append({**use, "span": span(began, use["told"])})

    def history(self):
        return {"workload": "registers", "uses": self.told}


class Counter(Workload):
    """One number that only grows; each increase says what it is afterwards."""

    def set_up(self):
        prepare(self.dsn, f"create table counter_{self.id} (n bigint not null)",
                f"insert into counter_{self.id} values (0)")

    def step(self, client):
        by, seen, told, began = int(client.random.random() < 0.5), 0, UNKNOWN, time.monotonic_ns()
        try:
            with client.cursor(autocommit=True) as cursor:
                cursor.execute(f"update counter_{self.id} set n = n + 1 returning n" if by else
                               f"select n from counter_{self.id}")
                seen, told = cursor.fetchone()[0], OK
        except psycopg2.Error as error:
            told = outcome_of(error, True)
            raise
        finally:
            self.told.append({"by": by, "seen": seen, "told": told, "span": span(began, told)})

    def there(self):
        return query(self.dsn, f"select n from counter_{self.id}")[0]

    def history(self, last):
        return {"workload": "monotonic", "counts": self.told, "last": last}


class EchoToken(Workload):
    """Each question carries a token that nobody else has, and the answer is full of it."""

    def set_up(self):
        self.numbers = itertools.count(1)

    def step(self, client):
        token, rows = f"{client.number}:{next(self.numbers)}", client.random.choice((1, 3, 400))
        with client.cursor(autocommit=client.random.random() < 0.5) as cursor:
            cursor.execute("select %s::text from generate_series(1, %s)", (token, rows))
            answers = collections.Counter(answer for answer, in cursor.fetchall())
        if not client.connection.autocommit:
            client.connection.commit()
        self.told.append({"token": token, "rows": rows, "answers": answers})

    def history(self):
        return {"workload": "echo", "echoes": self.told}


ALL = (Bank, Append, EchoToken, Register, Counter)
