"""How bench/proxy measures: one function a quantity. Times in seconds unless the name says more."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
from harness import wait_until
from harness.cluster import newest_postgres

LOGINS = 60  # how long pgbench may take to log everybody in
TICK = os.sysconf("SC_CLK_TCK")


class Run:
    """What one pgbench did in its window: from its first progress line, when everybody is logged
    in, to its last."""

    def __init__(self):
        self.transactions, self.seconds, self.cpu = 0.0, 0.0, 0.0

    @property
    def cpu_per_transaction(self):
        """Microseconds."""
        return 1e6 * self.cpu / self.transactions


def cpu_seconds(pids):
    """utime + stime of the processes with all their threads."""
    ticks = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / TICK


def resident_bytes(pids):
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                kilobytes += int(line.split()[1])
    return 1024 * kilobytes


def pgbench(target, clients, seconds, mode="prepared", tls=False, extra=(), window=None):
    """One run of pgbench -S whose window lasts `seconds`. Fails if one transaction failed. window:
    a context that is entered when the window begins and left when it ends."""
    argv = [str(newest_postgres() / "pgbench"), "-n", "-S", "-M", mode, "-c", str(clients), "-j",
            "1" if clients < 200 else "2", "-T", str(seconds + LOGINS), "-P", "1", *extra,
            target.dsn(tls)]
    run, lines, said = Run(), 0, []
    with contextlib.ExitStack() as measured, \
            subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True) as bench:
        for line in bench.stderr:
            found = re.match(r"progress: [\d.]+ s, ([\d.]+) tps", line)
            if not found:
                said.append(line)
                continue
            lines += 1
            if lines == 1:
                if window:
                    measured.enter_context(window)
            elif lines <= seconds + 1:
                run.transactions += float(found[1]) * (time.monotonic() - last)
                run.seconds += time.monotonic() - last
                run.cpu += cpu_seconds(target.pids) - used
            if lines == seconds + 1:
                measured.close()
                bench.send_signal(signal.SIGALRM)  # as if its time were over
            last, used = time.monotonic(), cpu_seconds(target.pids)
        output = bench.stdout.read()
    failed = re.search(r"failed transactions: (\d+)", output)
    if bench.returncode != 0 or (failed and failed[1] != "0") or "aborted" in "".join(said):
        raise RuntimeError(f"pgbench through {target.name}: {''.join(said)[-800:]}{output[-300:]}")
    if lines <= seconds:
        raise RuntimeError(f"pgbench through {target.name}: {lines} lines of progress: {output}")
    return run


def latencies(target, clients, seconds, directory, mode, sampling=1.0):
    """Microseconds of every (sampled) transaction after the first second, ascending."""
    prefix = directory / "latency"
    for old in directory.glob("latency.*"):
        old.unlink()
    extra = ["--log", f"--log-prefix={prefix}"]
    if sampling < 1.0:
        extra.append(f"--sampling-rate={sampling}")
    pgbench(target, clients, seconds, mode, extra=extra)
    rows = []
    for path in directory.glob("latency.*"):
        for line in path.read_text().splitlines():
            words = line.split()
            rows.append((int(words[4]) + int(words[5]) / 1e6, float(words[2])))
        path.unlink()
    begin = min(at for at, _ in rows) + 1.0
    return sorted(latency for at, latency in rows if at >= begin)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextlib.contextmanager
def strace(pids, report):
    """Counts what the processes call while the block runs."""
    argv = ["strace", "-c", "-f", "-q", "-o", str(report)]
    argv += [word for pid in pids for word in ("-p", str(pid))]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as tracer:
        try:
            wait_until("strace", lambda: all(is_traced(pid) for pid in pids), 10, every=0.005)
            yield
        finally:
            tracer.send_signal(signal.SIGINT)


def is_traced(pid):
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def syscalls(target, clients, seconds, directory, mode):
    """{name: calls per transaction} in the window."""
    report = directory / "strace.txt"
    run = pgbench(target, clients, seconds, mode, window=strace(target.pids, report))
    calls = {}
    for line in report.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3]) / run.transactions
    if not calls:
        raise RuntimeError(f"strace counted nothing: {report.read_text()}")
    return calls


def idle_bytes(target, clients, tls):
    """Resident bytes per client that has logged in, asked one thing and waits; what the first 300
    cost (pools, the allocator's first pages) is not counted."""
    with contextlib.ExitStack() as stack:
        def more(count):
            for _ in range(count):
                connection = psycopg2.connect(target.dsn(tls))
                stack.callback(connection.close)
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("select 1")
        more(300)
        before = resident_bytes(target.pids)
        more(clients)
        return (resident_bytes(target.pids) - before) / clients
