"""The client programs of clients/: which there are, which can run here, how one is run."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent / "clients"
PYTHON = "/usr/bin/python3"
GOPATH = "/usr/share/gocode"
TABLE = ["create table if not exists endpoint_rows (key text not null)",
         "create index if not exists endpoint_rows_key on endpoint_rows (key)"]


class Driver:
    """One client program. `package` is what has to be installed; `missing()` says why it cannot run
    here, or None; `argv` is what comes before the DSN."""

    def __init__(self, name, package, missing, argv, after=()):
        self.name, self.package, self.missing, self.argv = name, package, missing, argv
        self.after = list(after)
        self.environment = {}

    def __repr__(self):
        return self.name

    def start(self, dsn, seconds, connections=2):
        return Running(self, [*self.argv(), dsn, str(seconds), str(connections), *self.after])

    def run(self, dsn, seconds, connections=2):
        with self.start(dsn, seconds, connections) as running:
            return running.result(seconds + 90)


class Running:
    """A client that runs. As a context it is ended, whatever happens."""

    def __init__(self, driver, argv):
        self.driver = driver
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.said, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **driver.environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.said.close()

    def stop(self, seconds=60):
        """Asks it to end and returns its result."""
        self.process.terminate()
        return self.result(seconds)

    def result(self, seconds):
        """What it printed at its end; a RuntimeError if it printed nothing of the kind in time."""
        try:
            output, _ = self.process.communicate(timeout=seconds)
            return {"prefix": None, **json.loads(output.splitlines()[-1])}
        except (subprocess.TimeoutExpired, IndexError, ValueError) as error:
            self.said.seek(0)
            said = self.said.read().decode(errors="replace")[-800:]
            raise RuntimeError(f"{self.driver}: {type(error).__name__} {said}") from error


def _python(name, module):
    def missing():
        done = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False)
        return None if done.returncode == 0 else f"{PYTHON} has no module {module}"
    packages = {"psycopg": "python3-psycopg"}
    return Driver(name, packages.get(module, f"python3-{module}"), missing,
                  lambda: [PYTHON, str(CLIENTS / f"{name}_client.py")])


def _pgbench(mode):
    def missing():
        found = glob.glob("/usr/lib/postgresql/*/bin/pgbench")
        return None if found else "no pgbench below /usr/lib/postgresql"
    return Driver(f"pgbench_{mode}", "postgresql", missing,
                  lambda: [PYTHON, str(CLIENTS / "pgbench_client.py")], after=[mode])


def _java():
    jar = Path("/usr/share/java/postgresql.jar")

    def missing():
        if not shutil.which("javac"):
            return "no javac"
        return None if jar.exists() else f"{jar} does not exist"
    return Driver("pgjdbc", "libpostgresql-jdbc-java and default-jdk-headless", missing, lambda: [
        "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp", str(jar),
        str(CLIENTS / "PgJdbc.java")])


def _node():
    """Node looks into NODE_PATH; Debian's node-pg is in /usr/share/nodejs."""
    driver = Driver("node_pg", "node-pg", None, lambda: ["node", str(CLIENTS / "node_pg.js")])
    driver.environment = {"NODE_PATH": os.pathsep.join(
        [word for word in (os.environ.get("NODE_PATH"), "/usr/share/nodejs") if word])}

    def missing():
        if not shutil.which("node"):
            return "no node"
        done = subprocess.run(["node", "-e", "require('pg')"], capture_output=True, check=False,
                              env={**os.environ, **driver.environment})
        return None if done.returncode == 0 else "node finds no module pg"
    driver.missing = missing
    return driver


class _GoProgram:
    """Both Go clients are one program; it is built once, when one of them is used first."""

    def __init__(self):
        self.directory = None

    def path(self):
        if self.directory is None:
            self.directory = tempfile.TemporaryDirectory(prefix="evg-go-")
            subprocess.run(["go", "build", "-o", f"{self.directory.name}/rows", "./main.go"],
                           cwd=CLIENTS / "go", check=True, timeout=300,
                           env={**os.environ, "GO111MODULE": "off", "GOPATH": GOPATH,
                                "GOFLAGS": "", "CGO_ENABLED": "0"})
        return f"{self.directory.name}/rows"


_go_program = _GoProgram()


def _go(name, word, folder, package):
    def missing():
        if not shutil.which("go"):
            return "no go"
        found = [(Path(GOPATH) / "src/github.com" / each).is_dir()
                 for each in ("jackc/pgx/v4", "lib/pq")]
        return None if all(found) else f"{GOPATH} has no {folder}"
    return Driver(name, f"golang-go and {package}", missing, lambda: [_go_program.path(), word])


ALL = [_python("psycopg2", "psycopg2"), _python("psycopg3", "psycopg"),
       _python("sqlalchemy", "sqlalchemy"), _python("django", "django"), _java(), _node(),
       _go("go_pgx", "pgx", "jackc/pgx", "golang-github-jackc-pgx-v4-dev"),
       _go("go_pq", "postgres", "lib/pq", "golang-github-lib-pq-dev"),
       _pgbench("simple"), _pgbench("extended"), _pgbench("prepared")]


def named(name):
    return next(driver for driver in ALL if driver.name == name)


def available(drivers=None):
    """Those that can run here; each that cannot is told by name."""
    usable = []
    for driver in drivers or ALL:
        reason = driver.missing()
        if reason is None:
            driver.argv()  # what has to be built is built now, and not while a cluster waits
            usable.append(driver)
        else:
            print(f"   SKIPPED: client {driver}: {reason} (package {driver.package})", flush=True)
    return usable
