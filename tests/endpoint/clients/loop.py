"""The loop of the clients that are written in Python, and what each client prints.

A client is a program: PROGRAM DSN SECONDS [CONNECTIONS]. Each connection inserts rows with keys of
its own into endpoint_rows and looks at each of them: every other one in a transaction of its own,
the rest as single statements. At the end, or on SIGTERM, the program prints one line of JSON:

  transactions   how many were acknowledged
  acknowledged   their keys (of pgbench: their number)
  failed         keys whose error says that nothing happened (40001, 57P03, 25006)
  unknown        keys of all other errors
  errors         the first 100 errors as "SQLSTATE text", without SQLSTATE "-----"
  connects       how often a connection was made
  longest_ms     the longest transaction that was acknowledged
"""

import json
import secrets
import signal
import sys
import threading
import time

NOTHING_HAPPENED = {"40001", "57P03", "25006"}
PAUSE = 0.005
INSERT = "insert into endpoint_rows (key) values (%s)"
COUNT = "select count(*) from endpoint_rows where key = %s"


class Result:
    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged, self.failed, self.unknown, self.errors = [], [], [], []
        self.connects, self.longest = 0, 0.0

    def error(self, sqlstate, text, key=None):
        with self.lock:
            if len(self.errors) < 100:
                first = (str(text).strip().splitlines() or ["without a word"])[0]
                self.errors.append(f"{sqlstate or '-----'} {first}")
            if key is not None:
                (self.failed if sqlstate in NOTHING_HAPPENED else self.unknown).append(key)

    def acknowledge(self, key, seconds):
        with self.lock:
            self.acknowledged.append(key)
            self.longest = max(self.longest, seconds)

    def connected(self):
        with self.lock:
            self.connects += 1

    def print(self):
        print(json.dumps({"transactions": len(self.acknowledged),
                          "acknowledged": self.acknowledged, "failed": self.failed,
                          "unknown": self.unknown, "errors": self.errors,
                          "connects": self.connects,
                          "longest_ms": round(1000 * self.longest, 1)}), flush=True)


def write(session, result, ended, prefix):
    """One connection's work. session: see main()."""
    number = 0
    while not ended.wait(PAUSE):
        number += 1
        key = f"{prefix}-{number}"
        began, told = time.monotonic(), False
        try:
            if number % 2:
                seen = session.transaction(key)
                result.acknowledge(key, time.monotonic() - began)
            else:
                session.insert(key)
                result.acknowledge(key, time.monotonic() - began)
                told = True
                seen = session.count(key)
            if seen != 1:
                result.error(None, f"the row {key} is there {seen} times")
        except Exception as error:  # whatever a driver raises is its answer
            result.error(session.sqlstate(error), error, None if told else key)
            session.recover()


def main(connect):
    """connect(dsn, result) gives the session of one connection: transaction(key) inserts, counts and
    commits and returns the count; insert(key); count(key); sqlstate(error); recover() after an
    error. It may connect when it is first used, and counts that in result.connects."""
    dsn, seconds = sys.argv[1], float(sys.argv[2])
    connections = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    result, ended, run = Result(), threading.Event(), secrets.token_hex(4)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threads = [threading.Thread(target=write, daemon=True, args=(
        connect(dsn, result), result, ended, f"{run}-{i}")) for i in range(connections)]
    for thread in threads:
        thread.start()
    ended.wait(seconds)
    ended.set()
    for thread in threads:
        thread.join(30)
        if thread.is_alive():
            result.error(None, "a connection is stuck")
    result.print()
