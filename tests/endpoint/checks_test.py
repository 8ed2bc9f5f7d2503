#!/usr/bin/python3
"""What the workloads write down is a history that is judged. Which anomalies are found is tested
where they are looked for, in tests/checks."""

import copy
import sys
import types
import unittest

sys.dont_write_bytecode = True

import checks  # noqa: E402
import workloads  # noqa: E402
from checks import FAILED, OK, UNKNOWN, judge, rows, unknown_share  # noqa: E402


def kinds(anomalies):
    return {anomaly.split(":", 1)[0] for anomaly in anomalies}


def of(kind, told, **others):
    """A workload that was told so, with no database behind it."""
    found = types.SimpleNamespace(told=told, opening={"1": 5, "2": 5}, **others)
    return lambda *there: judge(kind.history(found, *there))


def span(began, ended=None):
    return {"began": began, "ended": ended}


class Histories(unittest.TestCase):
    def test_bank(self):
        transfer = {"id": "a", "from": "1", "to": "2", "amount": 2, "told": OK}
        judged = of(workloads.Bank, [transfer], sums=[10])
        self.assertEqual(judged({"1": 3, "2": 7}, [("a", 1, 2, 2)]), [])
        self.assertEqual(kinds(judged({"1": 5, "2": 5}, [])), {"lost"})

    def test_lists(self):
        append = workloads.Append.appended("1", 4, OK, span(0, 1), [4])
        judged = of(workloads.Append, [append])
        self.assertEqual(judged({1: [4]}), [])
        self.assertEqual(kinds(judged({1: []})), {"lost", "forked"})

    def test_registers(self):
        written = {"key": "1", "kind": "write", "value": 7, "expected": None, "told": OK,
                   "span": span(0, 1)}
        read = {**written, "kind": "read", "span": span(2, 3)}
        self.assertEqual(of(workloads.Register, [written, read])(), [])
        self.assertEqual(kinds(of(workloads.Register, [written, {**read, "value": None}])()),
                         {"order"})

    def test_counter(self):
        judged = of(workloads.Counter, [{"by": 1, "seen": 1, "told": OK, "span": span(0, 1)}])
        self.assertEqual(judged(1), [])
        self.assertEqual(kinds(judged(0)), {"lost"})

    def test_echo(self):
        told = [{"token": "a", "rows": 1, "answers": {"a": 1}}]
        self.assertEqual(of(workloads.EchoToken, told)(), [])
        told[0]["answers"] = {"b": 1}
        self.assertEqual(kinds(of(workloads.EchoToken, told)()), {"foreign"})

    def test_what_is_no_history_is_no_verdict(self):
        with self.assertRaises(RuntimeError):
            judge({"workload": "set"})

    def test_the_share_of_the_unknown(self):
        self.assertEqual(unknown_share([OK, UNKNOWN]), 0.5)
        self.assertEqual(unknown_share([]), 0)


class Rows(unittest.TestCase):
    result = {"prefix": None, "acknowledged": ["r-0-1", "r-0-2"], "failed": ["r-0-3"],
              "unknown": ["r-0-4"], "errors": ["40001 x", "08007 y"]}
    keys = ["r-0-1", "r-0-2", "r-0-4", "of another run-0-1"]
    pgbench = {"prefix": "p-", "acknowledged": 2, "failed": [], "unknown": [], "errors": []}

    def test_what_agrees_is_silent(self):
        self.assertEqual(rows(self.result, self.keys), [])
        self.assertEqual(rows(self.pgbench, ["p-0-1", "p-0-2", "q-1"]), [])

    def test_each_anomaly(self):
        for keys, kind in ((self.keys[1:], "lost"), (self.keys + ["r-0-4"], "twice"),
                           (self.keys + ["r-0-3"], "denied"), (self.keys + ["r-9-9"], "strange")):
            self.assertEqual(kinds(rows(self.result, keys)), {kind})

    def test_pgbench_counts(self):
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1"])), {"lost"})
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1", "p-0-1"])), {"twice"})
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1", "p-0-2", "p-0-3"])), {"strange"})
        stopped = copy.deepcopy(self.pgbench)
        stopped["errors"] = ["----- server closed the connection"]
        self.assertEqual(rows(stopped, ["p-0-1", "p-0-2", "p-0-3"]), [])


if __name__ == "__main__":
    unittest.main()
