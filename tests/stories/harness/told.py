"""Stories of the simulator (docs/stories.md), told with real processes: those tagged `real`.

The simulator reads the language strictly and every file in sim_test; here only what real processes
can do is known, and anything else is an error with file and line. n1 is whoever leads when the
story begins, n2 and so on are the others in their order.
"""

import os
import re
import signal
import time
from pathlib import Path

from .load import under_load
from .waits import StoryFailed, expect, wait_until

FOLDER = Path(__file__).resolve().parents[2] / "sim" / "stories"
SPAN = r"(\d+(?:\.\d+)?) (ms|s)"
# What the simulator alone needs to know.
SIMULATED = re.compile(r"(acknowledgements|writers|choices|suspect_after|voter_timeout|lasts) ")


def seconds(number, unit):
    return float(number) / (1000 if unit == "ms" else 1)


class ToldStory:
    """One file: its tags, what it teaches, and its steps as (line number, text)."""

    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.tags, self.nodes, self.steps, about = set(), 0, [], []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = line.rstrip()
            if line.startswith("#"):
                about.append(line[1:].strip())
            elif line.startswith("tags "):
                self.tags = {tag.strip() for tag in line[5:].split(",")}
            elif found := re.fullmatch(r"world (\d+) nodes, quorum", line):
                self.nodes = int(found[1])
            elif line and not SIMULATED.match(line):
                self.steps.append((number, line))
        self.teaches = " ".join(about)


def told_stories():
    return [told for told in map(ToldStory, sorted(FOLDER.glob("*.story"))) if "real" in told.tags]


class Teller:
    """Does the steps one after the other on a healthy cluster of three nodes under writes."""

    def __init__(self, told, cluster):
        self.told, self.cluster = told, cluster
        leader = cluster.wait_leader()
        self.nodes = [leader] + [node for node in cluster.nodes if node is not leader]
        self.term = cluster.status()["term"]
        self.began = time.monotonic()
        self.active = []  # (fault, node, how it is mended)

    def tell(self):
        with under_load(self.cluster) as self.load:
            self.began = time.monotonic()
            try:
                for number, line in self.told.steps:
                    try:
                        self.step(line)
                    except StoryFailed as failure:
                        raise StoryFailed(f"{self.told.path.name}:{number}: {failure}") from failure
            finally:
                self.heal()

    def step(self, line):
        if found := re.match(rf"(at|after) {SPAN} ", line):
            due = seconds(found[2], found[3])
            due += self.began if found[1] == "at" else time.monotonic()
            # The story's own clock: this is when it happens, not how long something may take.
            wait_until("the moment of the step", lambda: time.monotonic() >= due, 3600, every=0.01)
            line = line[found.end():]
        for pattern, act in STEPS:
            if found := re.fullmatch(pattern, line):
                act(self, *found.groups())
                return
        self.fault(line)

    def node(self, name):
        if name == "leader":
            return self.cluster.leader() or self.nodes[0]
        return self.nodes[int(name[1:]) - 1]

    # -- faults ------------------------------------------------------------------------------------

    def fault(self, line):
        name, _, target = line.partition(": ")
        expect(name in FAULTS, f"no real process can suffer '{line}'")
        node = self.node(target) if target else None
        mend = FAULTS[name](self, node)
        if mend:
            self.active.append((name, node, mend))

    def mend(self, what):
        name, _, target = what.partition(": ")
        for entry in reversed(self.active):
            if entry[0] == name and (not target or entry[1] is self.node(target)):
                self.active.remove(entry)
                entry[2]()
                return
        raise StoryFailed(f"nothing is there to be mended: {what}")

    def heal(self):
        while self.active:
            self.active.pop()[2]()

    def hide_store(self, _node):
        hidden = self.cluster.store_hidden()
        hidden.__enter__()
        return lambda: hidden.__exit__(None, None, None)

    def freeze(self, node):
        node.freeze()
        return node.thaw

    def freeze_agent(self, node):
        pid = node.freeze_agent()

        def go_on():
            if pid in node.processes():  # else the supervisor has replaced it
                os.kill(pid, signal.SIGCONT)
        return go_on

    def end_machine(self, node):
        node.kill_all()
        return node.start

    def switchover(self, node):
        done = self.cluster.leader().evergres("switchover", "--to", node.name, "--force")
        expect(done.returncode == 0, f"the switchover failed: {done.stderr}")

    # -- what is awaited and expected ----------------------------------------------------------------

    def await_leader(self, name, number, unit):
        node = self.node(name)
        wait_until(f"{node} leading", lambda: self.cluster.leader() is node,
                   seconds(number, unit), self.cluster.brief)

    def await_another_leader(self, name, number, unit):
        self.cluster.wait_leader(other_than=self.node(name), seconds=seconds(number, unit))

    def await_writes(self, count, number, unit):
        self.load.wait_acks(int(count), seconds(number, unit))

    def await_voters(self, count, number, unit):
        wait_until(f"a proven policy with {count} voters",
                   lambda: (s := self.cluster.status()) and not s["unproven"]
                   and len(s["voters"]) == int(count), seconds(number, unit), self.cluster.brief)

    def await_health(self, number, unit):
        self.cluster.wait_healthy(seconds(number, unit))

    def expect_leader(self, name):
        expect(self.cluster.leader() is self.node(name), f"{name} does not lead: "
               f"{self.cluster.brief()}")

    def expect_same_term(self):
        expect(self.cluster.status()["term"] == self.term, f"the term was {self.term}: "
               f"{self.cluster.brief()}")

    def expect_higher_term(self):
        expect(self.cluster.status()["term"] > self.term, f"the term is still {self.term}")

    def expect_no_write(self, number, unit):
        before, until = self.load.acked_count(), time.monotonic() + seconds(number, unit)
        wait_until("the time in which nobody may write", lambda: time.monotonic() >= until, 3600)
        more = self.load.acked_count() - before
        expect(more == 0, f"{more} writes were acknowledged")

    def expect_nothing_lost(self):
        """The end of under_load compares row by row, on every node."""


STEPS = [
    (rf"await leader (\w+) within {SPAN}", Teller.await_leader),
    (rf"await a leader other than (\w+) within {SPAN}", Teller.await_another_leader),
    (rf"await health within {SPAN}", Teller.await_health),
    (rf"await (\d+) writes within {SPAN}", Teller.await_writes),
    (rf"await (\d+) voters within {SPAN}", Teller.await_voters),
    (r"expect leader (\w+)", Teller.expect_leader),
    (r"expect the same term", Teller.expect_same_term),
    (r"expect a higher term", Teller.expect_higher_term),
    (rf"expect no write for {SPAN}", Teller.expect_no_write),
    (r"expect no acknowledged write lost", Teller.expect_nothing_lost),
    (r"mend (.*)", Teller.mend),
    (r"heal", Teller.heal),
]

FAULTS = {
    "kill -9 of a postmaster": lambda teller, node: node.kill("postmaster") and None,
    "kill -9 of an agent": lambda teller, node: node.kill("agent") and None,
    "a machine ends": Teller.end_machine,
    "a frozen machine": Teller.freeze,
    "a frozen agent": Teller.freeze_agent,
    "the store is away": Teller.hide_store,
    "an operator's switchover": Teller.switchover,
}
