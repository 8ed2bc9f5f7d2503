"""Whether what clients were told agrees with what is in the database: histories, docs/reference/
histories.md, judged by evergres-check; the simulator judges its writes with the same checker of sets.

A client knows one of three things of each write: it happened (OK), it did not (FAILED), or nobody
knows (UNKNOWN).
"""

import json
import os
import subprocess
from pathlib import Path

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
PROGRAM = Path(os.environ.get("EVERGRES_CHECK") or
               Path(__file__).resolve().parents[2] / "build/dev/evergres-check")


def judge(history):
    """The anomalies of a history as sentences, "kind: what"; none is good."""
    done = subprocess.run([PROGRAM], input=json.dumps(history), text=True, capture_output=True,
                          timeout=300)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{PROGRAM} ended with {done.returncode}: {done.stderr}")
    return done.stdout.splitlines()


def unknown_share(told):
    """The part of what was told that is UNKNOWN, 0 to 1."""
    return sum(one == UNKNOWN for one in told) / max(1, len(told))


def rows(result, keys):
    """What a program of clients/ printed, against the keys of all programs in endpoint_rows."""
    if result["prefix"] is not None:  # pgbench: a number
        mine = [key for key in keys if key.startswith(result["prefix"])]
        found = [] if len(mine) == len(set(mine)) else ["twice: a row of pgbench"]
        if len(mine) < result["acknowledged"]:
            found.append(f"lost: {result['acknowledged'] - len(mine)} of pgbench's rows")
        if len(mine) > result["acknowledged"] and not result["errors"]:
            found.append(f"strange: pgbench says {result['acknowledged']}, there are {len(mine)}")
        return found
    told = {key: OK for key in result["acknowledged"]}
    told.update({key: FAILED for key in result["failed"]})
    told.update({key: UNKNOWN for key in result["unknown"]})
    runs = {key.split("-", 1)[0] for key in told}
    return judge({"workload": "set",
                  "additions": [{"id": key, "told": one} for key, one in told.items()],
                  "there": [key for key in keys if key.split("-", 1)[0] in runs]})
