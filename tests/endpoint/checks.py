"""Whether what clients were told agrees with what is in the database.

A client knows one of three things of each write: it happened (OK), it did not (FAILED), or nobody
knows (UNKNOWN). Every function here is pure: it takes what clients were told and what was found
afterwards, and returns the anomalies as sentences; none is good.
"""

import collections
from dataclasses import dataclass

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"


@dataclass
class Transfer:
    """One transaction of the bank: amount moved and a line in the ledger with its id."""
    id: str
    source: int
    target: int
    amount: int
    outcome: str


@dataclass
class Append:
    """`item` put at the end of list `key`. seen: the whole list after it, if OK. Times are of one
    clock, in seconds: asked at `began`, told at `ended`."""
    key: int
    item: int
    outcome: str
    began: float
    ended: float
    seen: tuple = ()


@dataclass
class Read:
    """List `key` as it was read in one statement."""
    key: int
    began: float
    ended: float
    seen: tuple


@dataclass
class Echo:
    """A client asked for rows with its own token; `answers` are the tokens of the rows it got."""
    token: str
    rows: int
    answers: tuple


def _first(things, count=3):
    words = ", ".join(str(thing) for thing in list(things)[:count])
    return words + (f" and {len(things) - count} more" if len(things) > count else "")


def verdicts(outcomes, journal):
    """outcomes: {id: outcome} of transactions of which each leaves its id in the journal when it
    commits. journal: all ids that are there, as often as they are there."""
    found, there = [], collections.Counter(journal)
    lost = [key for key, outcome in outcomes.items() if outcome == OK and not there[key]]
    if lost:
        found.append(f"LOST: {len(lost)} acknowledged: {_first(lost)}")
    twice = [key for key, count in there.items() if count > 1]
    if twice:
        found.append(f"TWICE: {len(twice)} executed more than once: {_first(twice)}")
    denied = [key for key, outcome in outcomes.items() if outcome == FAILED and there[key]]
    if denied:
        found.append(f"DENIED: {len(denied)} told as failed and there: {_first(denied)}")
    strangers = [key for key in there if key not in outcomes]
    if strangers:
        found.append(f"STRANGE: {len(strangers)} that nobody sent: {_first(strangers)}")
    return found


def unknown_share(outcomes):
    """The part of the outcomes that is UNKNOWN, 0 to 1."""
    return sum(outcome == UNKNOWN for outcome in outcomes) / max(1, len(outcomes))


def rows(result, keys):
    """What a program of clients/ printed, against the keys of all programs in endpoint_rows."""
    if result["prefix"] is not None:  # pgbench: a number
        mine = [key for key in keys if key.startswith(result["prefix"])]
        found = [] if len(mine) == len(set(mine)) else ["TWICE: a row of pgbench"]
        if len(mine) < result["acknowledged"]:
            found.append(f"LOST: {result['acknowledged'] - len(mine)} of pgbench's rows")
        if len(mine) > result["acknowledged"] and not result["errors"]:
            found.append(f"STRANGE: pgbench says {result['acknowledged']}, there are {len(mine)}")
        return found
    outcomes = {key: OK for key in result["acknowledged"]}
    outcomes.update({key: FAILED for key in result["failed"]})
    outcomes.update({key: UNKNOWN for key in result["unknown"]})
    runs = {key.split("-", 1)[0] for key in outcomes}
    return verdicts(outcomes, [key for key in keys if key.split("-", 1)[0] in runs])


def bank(transfers, sums, opening, balances, ledger):
    """sums: what every read of all balances added up to, in one statement each. opening and
    balances: {account: money} before and after. ledger: (id, source, target, amount) of all lines."""
    total = sum(opening.values())
    found = verdicts({transfer.id: transfer.outcome for transfer in transfers},
                     [line[0] for line in ledger])
    torn = [seen for seen in sums if seen != total]
    if torn:
        found.append(f"TORN: {len(torn)} reads do not add up to {total}: {_first(torn)}")
    expected = dict(opening)
    for _, source, target, amount in ledger:
        expected[source] -= amount
        expected[target] += amount
    wrong = [account for account, money in balances.items() if expected.get(account) != money]
    if wrong or len(balances) != len(opening):
        found.append(f"UNEVEN: accounts that the ledger does not explain: {_first(wrong)}")
    sent = {transfer.id: transfer for transfer in transfers}
    altered = [line[0] for line in ledger if line[0] in sent and tuple(line[1:]) != (
        sent[line[0]].source, sent[line[0]].target, sent[line[0]].amount)]
    if altered:
        found.append(f"ALTERED: lines that were not sent so: {_first(altered)}")
    return found


def append(operations, lists):
    """operations: Append and Read. lists: {key: the list} at the end."""
    appends = [operation for operation in operations if isinstance(operation, Append)]
    found = verdicts({(a.key, a.item): a.outcome for a in appends},
                     [(key, item) for key, items in lists.items() for item in items])
    told = [o for o in operations if isinstance(o, Read) or o.outcome == OK]
    for operation in told:
        final = tuple(lists.get(operation.key, ()))
        if tuple(operation.seen) != final[:len(operation.seen)]:
            found.append(f"FORKED: list {operation.key} was seen as …{list(operation.seen)[-3:]}, "
                         "which is no beginning of what it became")
            break
    unseen = [a for a in appends if a.outcome == OK and (not a.seen or a.seen[-1] != a.item)]
    if unseen:
        found.append(f"FOREIGN: the answer to an append does not end with it: "
                     f"{_first([(a.key, a.item, list(a.seen)[-3:]) for a in unseen])}")
    return found + _stale(appends, told)


def _stale(appends, told):
    """What was acknowledged before a question was asked is in its answer: answers grow."""
    by_key = collections.defaultdict(list)
    for operation in told:
        by_key[operation.key].append(operation)
    for key, operations in by_key.items():
        acknowledged = sorted((a for a in operations if isinstance(a, Append)),
                              key=lambda a: a.ended)
        next_one, longest = 0, 0
        for operation in sorted(operations, key=lambda o: o.began):
            while (next_one < len(acknowledged)
                   and acknowledged[next_one].ended < operation.began):
                longest = max(longest, len(acknowledged[next_one].seen))
                next_one += 1
            if len(operation.seen) < longest:
                return [f"STALE: list {key} had {longest} items when it was asked for, and "
                        f"{len(operation.seen)} were told"]
    return []


def echo(echoes):
    found = []
    foreign = [e for e in echoes if any(answer != e.token for answer in e.answers)]
    if foreign:
        pairs = [(e.token, next(a for a in e.answers if a != e.token)) for e in foreign]
        found.append(f"FOREIGN: {len(foreign)} clients saw rows of another: {_first(pairs)}")
    short = [e.token for e in echoes if len(e.answers) != e.rows]
    if short:
        found.append(f"SHORT: {len(short)} answers have another number of rows: {_first(short)}")
    return found
