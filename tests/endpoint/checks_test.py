#!/usr/bin/python3
"""The checkers find every anomaly that is planted, and nothing in histories that are good."""

import copy
import sys
import unittest

sys.dont_write_bytecode = True

from checks import (FAILED, OK, UNKNOWN, Append, Echo, Read, Transfer, append,  # noqa: E402
                    bank, echo, rows, unknown_share, verdicts)


def kinds(anomalies):
    return {anomaly.split(":", 1)[0] for anomaly in anomalies}


class Verdicts(unittest.TestCase):
    outcomes = {"a": OK, "b": FAILED, "c": UNKNOWN, "d": UNKNOWN}

    def test_what_agrees_is_silent(self):
        self.assertEqual(verdicts(self.outcomes, ["a", "c"]), [])
        self.assertEqual(verdicts({}, []), [])

    def test_an_acknowledged_write_is_lost(self):
        self.assertEqual(verdicts(self.outcomes, ["c"]), ["LOST: 1 acknowledged: a"])

    def test_a_write_is_executed_twice(self):
        self.assertEqual(kinds(verdicts(self.outcomes, ["a", "a"])), {"TWICE"})
        self.assertEqual(kinds(verdicts(self.outcomes, ["a", "c", "c"])), {"TWICE"})

    def test_a_write_that_was_denied_is_there(self):
        self.assertEqual(kinds(verdicts(self.outcomes, ["a", "b"])), {"DENIED"})

    def test_a_write_of_nobody(self):
        self.assertEqual(kinds(verdicts(self.outcomes, ["a", "x"])), {"STRANGE"})

    def test_the_share_of_the_unknown(self):
        self.assertEqual(unknown_share(self.outcomes.values()), 0.5)
        self.assertEqual(unknown_share([]), 0)


class Bank(unittest.TestCase):
    def setUp(self):
        self.opening = {1: 100, 2: 100, 3: 100}
        self.transfers = [Transfer("t1", 1, 2, 10, OK), Transfer("t2", 2, 3, 5, OK),
                          Transfer("t3", 1, 3, 7, FAILED), Transfer("t4", 3, 1, 1, UNKNOWN)]
        self.ledger = [("t1", 1, 2, 10), ("t2", 2, 3, 5), ("t4", 3, 1, 1)]
        self.balances = {1: 91, 2: 105, 3: 104}
        self.sums = [300, 300]

    def found(self):
        return kinds(bank(self.transfers, self.sums, self.opening, self.balances, self.ledger))

    def test_a_good_history_is_silent(self):
        self.assertEqual(self.found(), set())

    def test_an_unknown_transfer_that_did_not_happen_is_good_too(self):
        self.ledger.pop()
        self.balances = {1: 90, 2: 105, 3: 105}
        self.assertEqual(self.found(), set())

    def test_a_transfer_is_lost_with_its_money_moved_back(self):
        self.ledger.pop(0)
        self.balances = {1: 101, 2: 95, 3: 104}
        self.assertEqual(self.found(), {"LOST"})

    def test_money_without_a_line(self):
        self.balances[1] += 1
        self.assertEqual(self.found(), {"UNEVEN"})

    def test_an_account_is_gone(self):
        del self.balances[3]
        self.assertEqual(self.found(), {"UNEVEN"})

    def test_a_transfer_twice(self):
        self.ledger.append(("t1", 1, 2, 10))
        self.balances = {1: 81, 2: 115, 3: 104}
        self.assertEqual(self.found(), {"TWICE"})

    def test_a_failed_transfer_happened(self):
        self.ledger.append(("t3", 1, 3, 7))
        self.balances = {1: 84, 2: 105, 3: 111}
        self.assertEqual(self.found(), {"DENIED"})

    def test_a_read_in_the_middle_of_a_transfer(self):
        self.sums.append(290)
        self.assertEqual(self.found(), {"TORN"})

    def test_a_line_with_another_amount(self):
        self.ledger[0] = ("t1", 1, 2, 11)
        self.balances = {1: 90, 2: 106, 3: 104}
        self.assertEqual(self.found(), {"ALTERED"})


class Lists(unittest.TestCase):
    def setUp(self):
        self.operations = [Append(1, 10, OK, 0.0, 1.0, (10,)),
                           Append(1, 11, UNKNOWN, 1.0, 2.0),
                           Append(1, 12, FAILED, 2.0, 3.0),
                           Append(1, 13, OK, 3.0, 4.0, (10, 11, 13)),
                           Read(1, 5.0, 6.0, (10, 11, 13)),
                           Append(2, 20, OK, 0.0, 9.0, (20,))]
        self.lists = {1: [10, 11, 13], 2: [20]}

    def found(self):
        return kinds(append(self.operations, self.lists))

    def test_a_good_history_is_silent(self):
        self.assertEqual(self.found(), set())

    def test_an_acknowledged_item_is_lost(self):
        self.lists[1].remove(13)
        self.assertEqual(self.found(), {"LOST", "FORKED"})

    def test_an_item_twice(self):
        self.lists[2] = [20, 20]
        self.assertEqual(self.found(), {"TWICE"})

    def test_a_failed_item_is_there(self):
        self.lists[1].append(12)
        self.assertEqual(self.found(), {"DENIED"})

    def test_an_item_of_nobody(self):
        self.lists[2].append(99)
        self.assertEqual(self.found(), {"STRANGE"})

    def test_two_histories(self):
        self.operations[4] = Read(1, 5.0, 6.0, (10, 13, 11))
        self.assertEqual(self.found(), {"FORKED"})

    def test_a_read_that_misses_what_was_acknowledged_before_it(self):
        self.operations[4] = Read(1, 5.0, 6.0, (10, 11))
        self.assertEqual(self.found(), {"STALE"})

    def test_a_read_at_the_same_time_may_miss_it(self):
        self.operations[4] = Read(1, 3.5, 6.0, (10, 11))
        self.assertEqual(self.found(), set())

    def test_the_answer_to_another_clients_append(self):
        self.operations[3] = Append(1, 13, OK, 3.0, 4.0, (10, 11))
        self.assertIn("FOREIGN", self.found())


class Echoes(unittest.TestCase):
    good = [Echo("a", 2, ("a", "a")), Echo("b", 0, ()), Echo("b", 1, ("b",))]

    def test_own_rows_are_silent(self):
        self.assertEqual(echo(self.good), [])

    def test_a_row_of_another_client(self):
        planted = [*self.good, Echo("c", 2, ("c", "a"))]
        self.assertEqual(echo(planted), ["FOREIGN: 1 clients saw rows of another: ('c', 'a')"])

    def test_a_row_too_few(self):
        self.assertEqual(kinds(echo([*self.good, Echo("c", 2, ("c",))])), {"SHORT"})


class Rows(unittest.TestCase):
    result = {"prefix": None, "acknowledged": ["r-0-1", "r-0-2"], "failed": ["r-0-3"],
              "unknown": ["r-0-4"], "errors": ["40001 x", "08007 y"]}
    keys = ["r-0-1", "r-0-2", "r-0-4", "of another run-0-1"]
    pgbench = {"prefix": "p-", "acknowledged": 2, "failed": [], "unknown": [], "errors": []}

    def test_what_agrees_is_silent(self):
        self.assertEqual(rows(self.result, self.keys), [])
        self.assertEqual(rows(self.pgbench, ["p-0-1", "p-0-2", "q-1"]), [])

    def test_each_anomaly(self):
        for keys, kind in ((self.keys[1:], "LOST"), (self.keys + ["r-0-4"], "TWICE"),
                           (self.keys + ["r-0-3"], "DENIED"), (self.keys + ["r-9-9"], "STRANGE")):
            self.assertEqual(kinds(rows(self.result, keys)), {kind})

    def test_pgbench_counts(self):
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1"])), {"LOST"})
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1", "p-0-1"])), {"TWICE"})
        self.assertEqual(kinds(rows(self.pgbench, ["p-0-1", "p-0-2", "p-0-3"])), {"STRANGE"})
        stopped = copy.deepcopy(self.pgbench)
        stopped["errors"] = ["----- server closed the connection"]
        self.assertEqual(rows(stopped, ["p-0-1", "p-0-2", "p-0-3"]), [])


if __name__ == "__main__":
    unittest.main()
