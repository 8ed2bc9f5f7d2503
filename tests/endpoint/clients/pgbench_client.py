"""pgbench with a script of its own: PROGRAM DSN SECONDS CONNECTIONS simple|extended|prepared.
It stops at its first error but for 40001, and its rows are counted, not named."""

import json
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = """\\set n :n + 1
begin;
insert into endpoint_rows (key) values (concat('{run}-', :client_id::bigint, '-', :n::bigint));
select count(*) from endpoint_rows
  where key = concat('{run}-', :client_id::bigint, '-', :n::bigint);
commit;
\\sleep 5 ms
"""


def newest_pgbench():
    found = Path("/usr/lib/postgresql").glob("*/bin/pgbench")
    return str(max(found, key=lambda path: int(path.parts[-3])))


def longest_ms(directory):
    """Of what was acknowledged, with the script's sleep; the others say "failed" there."""
    words = [line.split()[2] for path in directory.glob("latency.*")
             for line in path.read_text().splitlines()]
    return max((int(word) for word in words if word.isdigit()), default=0) / 1000


def main():
    dsn, seconds, connections, mode = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="evg-pgbench-") as name:
        directory, run = Path(name), secrets.token_hex(4)
        script = directory / "script.sql"
        script.write_text(SCRIPT.format(run=run))
        argv = [newest_pgbench(), "-n", "-M", mode, "-c", connections, "-T", seconds, "-D", "n=0",
                "-f", str(script), "--log", f"--log-prefix={directory}/latency", dsn]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as bench:
            # SIGALRM is how -T ends pgbench: what runs is finished and the report is printed.
            signal.signal(signal.SIGTERM, lambda *_: bench.send_signal(signal.SIGALRM))
            output, said = bench.communicate()
        processed = re.search(r"actually processed: (\d+)", output)
        count = int(processed[1]) if processed else 0
        errors = ["----- " + line.removeprefix("pgbench: error: ")
                  for line in said.splitlines() if line.startswith("pgbench: error:")]
        failed = re.search(r"failed transactions: (\d+)", output)
        if failed and failed[1] != "0":  # 40001 and 40P01, which do not stop it
            errors.append(f"40001 or 40P01: {failed[1]} transactions failed")
        if bench.returncode != 0 and not errors:
            errors.append(f"----- pgbench ended with {bench.returncode}")
        print(json.dumps({"transactions": count, "acknowledged": count, "failed": [],
                          "unknown": [f"{run}-"] if errors else [], "errors": errors[:100],
                          "connects": int(connections), "prefix": f"{run}-",
                          "longest_ms": round(longest_ms(directory), 1)}), flush=True)


if __name__ == "__main__":
    main()
