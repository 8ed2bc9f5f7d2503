"""A cluster of `evergres run` processes below one temporary directory, and what can be done to it."""

import base64
import contextlib
import http.client
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg2

from . import processes
from .waits import expect, wait_until

FORBIDDEN_PORTS = {5432, 5433, 8008}
SERVER_USER = "postgres"


def as_server_user(argv):
    """PostgreSQL refuses to run as root; everything of a cluster runs as its usual user then."""
    if os.geteuid() != 0:
        return argv
    return ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups",
            "--reset-env", "--", *argv]


def own(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def free_ports(count, first=21000):
    """A block of neighbouring free ports of 127.0.0.1, below the range from which the kernel takes
    those of outgoing connections, and a claim on it: a socket whose abstract name other runs on
    this machine cannot bind as long as it is open."""
    for base in range(first, 32000, 20):
        block = list(range(base, base + count))
        if FORBIDDEN_PORTS & set(block):
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0evergres-stories-{base}")
            for port in block:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return block, claim
        except OSError:
            claim.close()
    raise RuntimeError("no block of free ports from 21000 to 32000")


def lsn_of(text):
    """The number of a position that is written as PostgreSQL does, "0/16B3748"."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def newest_postgres():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                   key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("no PostgreSQL below /usr/lib/postgresql")
    return found[-1].parent


class Node:
    """One node: its directories, ports, its `evergres run` and its processes by role."""

    def __init__(self, cluster, name, postgres_port, peer_port, http_port, proxy_ports=()):
        self.cluster, self.name = cluster, name
        self.postgres_port, self.peer_port, self.http_port = postgres_port, peer_port, http_port
        self.directory = cluster.directory / name
        self.data = self.directory / "data"
        self.state = self.directory / "state"
        self.run_directory = self.directory / "run"
        self.config = self.directory / "node.yaml"
        self.proxy_port, self.read_only_port = proxy_ports or (None, None)
        self.proxy_settings = {}  # more lines below "proxy:"
        self.parameters = {"shared_buffers": "32MB", "max_connections": "100"}
        self.environment = {}
        self.settings = {}
        self.host = "127.0.0.1"
        # With an endpoint PostgreSQL itself admits applications over the unix socket only.
        self.client_host = self.run_directory if proxy_ports else "127.0.0.1"
        self.enter = []  # what `evergres run` is started through, e.g. another network namespace
        self.popen = None
        self.directory.mkdir(mode=0o700)
        own(self.directory)

    def __repr__(self):
        return self.name

    # -- configuration and life ------------------------------------------------------------------

    def write_config(self):
        lines = {"cluster": self.cluster.name, "node": self.name, "data_directory": self.data,
                 "state_directory": self.state, "run_directory": self.run_directory,
                 "store": f"sqlite:{self.cluster.store}", "secret_file": self.cluster.secret,
                 "postgres_host": self.host, "postgres_port": self.postgres_port,
                 "peer_host": self.host, "peer_port": self.peer_port,
                 "http_port": self.http_port,
                 **self.cluster.settings, **self.settings}
        text = "".join(f"{key}: {value}\n" for key, value in lines.items())
        text += "parameters:\n" + "".join(f"  {k}: \"{v}\"\n" for k, v in self.parameters.items())
        text += ("application:\n  role: app\n  database: app\n"
                 f"  password_file: {self.cluster.password_file}\n")
        if self.proxy_port:
            proxy = {"port": self.proxy_port, "read_only_port": self.read_only_port,
                     **self.proxy_settings}
            text += "proxy:\n" + "".join(f"  {k}: {v}\n" for k, v in proxy.items())
        self.config.write_text(text)
        own(self.config)

    def evergres(self, *arguments, timeout=60):
        """Runs one command of the program with this node's configuration."""
        argv = as_server_user([str(self.cluster.program), *arguments, "-c", str(self.config)])
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False,
                              cwd="/", stdin=subprocess.DEVNULL)

    def start(self):
        self.write_config()
        # The PATH of a service: PostgreSQL's programs are not in it on a fresh Debian.
        argv = ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                *(f"{k}={v}" for k, v in self.environment.items()),
                str(self.cluster.program), "run", "-c", str(self.config)]
        with open(self.directory / "run.log", "ab") as log:
            self.popen = subprocess.Popen([*self.enter, *as_server_user(argv)], stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                                          start_new_session=True)

    def stop(self, seconds=60):
        """The orderly end: SIGTERM to the keeper."""
        if self.popen:
            self.popen.terminate()
            self.popen.wait(timeout=seconds)
        self.wait_gone(seconds)

    def reap(self):
        return self.popen is None or self.popen.poll() is not None

    # -- processes by role -----------------------------------------------------------------------

    def processes(self):
        return processes.below(self.directory)

    def _evergres(self, word):
        return {pid: p for pid, p in self.processes().items()
                if len(p.argv) > 1 and os.path.basename(p.argv[0]) == "evergres" and word in p.argv}

    def keeper(self):
        runs = self._evergres("run")
        return next((pid for pid, p in runs.items() if p.ppid not in runs), None)

    def supervisor(self):
        runs = self._evergres("run")
        return next((pid for pid, p in runs.items() if p.ppid in runs), None)

    def agent(self):
        agents = self._evergres("agent")
        return next((pid for pid, p in agents.items() if p.ppid not in agents), None)

    def endpoints(self):
        """All processes of the endpoint: one, and those that it replaces."""
        return self._evergres("proxy")

    def proxy(self):
        endpoints = self.endpoints()
        return next((pid for pid, p in endpoints.items() if p.ppid not in endpoints), None)

    def postgres(self):
        """All PostgreSQL processes of the data directory."""
        return {pid: p for pid, p in self.processes().items()
                if p.cwd == str(self.data) and p.argv
                and (p.argv[0].startswith("postgres") or p.argv[0].endswith("/postgres"))}

    def postmaster(self):
        """The living process that postmaster.pid names. (A child that was forked a moment ago has
        the postmaster's arguments.)"""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if pid in self.postgres() else None

    def postgres_called(self, word):
        """PostgreSQL processes by their title: "walreceiver", "walsender", " app app "."""
        return [pid for pid, p in self.postgres().items() if word in " ".join(p.argv)]

    # -- faults ------------------------------------------------------------------------------------

    def stop_walsender(self, pid):
        """Stops a walsender of this node while it waits for something to do. Anywhere else it may
        hold a lock that every commit needs, and the whole server would stand still with it."""
        def stopped_at_rest():
            os.kill(pid, signal.SIGSTOP)
            waits = self.try_sql(
                f"select wait_event from pg_stat_activity where pid = {pid}", "postgres", 5)
            if waits and waits.stdout.strip() in ("WalSenderMain", "WalSenderWaitForWAL"):
                return True
            os.kill(pid, signal.SIGCONT)
            return False
        wait_until(f"walsender {pid} stopped at rest", stopped_at_rest, 30)

    def kill(self, role):
        """SIGKILL of one process: "postmaster", "agent", "proxy", "supervisor" or "keeper"."""
        pid = wait_until(f"a {role} on {self.name}", getattr(self, role), 20)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_backend(self):
        """SIGKILL of one client backend, as the OOM killer does it."""
        pids = wait_until(f"a backend of a client on {self.name}",
                          lambda: self.postgres_called("app app 127.0.0.1")
                          or self.postgres_called("app app [local]"), 20)
        os.kill(pids[0], signal.SIGKILL)

    def kill_all(self):
        processes.kill_at_once(self.processes)
        if self.popen:
            self.popen.wait(timeout=30)
        self.wait_gone()

    def freeze(self):
        processes.stop_all(self.processes)

    def thaw(self):
        processes.send(self.processes(), signal.SIGCONT)

    def control_plane(self):
        """Keeper, supervisor and agent: everything but PostgreSQL."""
        return [pid for pid in (self.keeper(), self.supervisor(), self.agent()) if pid]

    def freeze_control_plane(self):
        """PostgreSQL goes on, and nobody is there who could stop it."""
        frozen = self.control_plane()
        expect(len(frozen) == 3, f"{self}: keeper, supervisor, agent are {frozen}")
        processes.send(frozen, signal.SIGSTOP)
        return frozen

    def freeze_agent(self):
        pid = wait_until(f"an agent on {self.name}", self.agent, 20)
        os.kill(pid, signal.SIGSTOP)
        return pid

    def no_process(self):
        self.reap()
        return not self.processes()

    def wait_gone(self, seconds=60):
        wait_until(f"no process of {self.name}", self.no_process, seconds,
                   lambda: list(self.processes().values()))

    # -- questions ---------------------------------------------------------------------------------

    def ask(self, verb, **arguments):
        """One question on the agent's control socket; None while it does not answer."""
        request = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.settimeout(3)
                channel.connect(str(self.run_directory / "agent.sock"))
                channel.sendall(request)
                answer = b""
                while not answer.endswith(b"\n"):
                    part = channel.recv(65536)
                    if not part:
                        break
                    answer += part
            return json.loads(answer).get("result")
        except (OSError, ValueError):
            return None

    def status(self):
        return self.ask("status")

    def http(self, path, method="GET", seconds=2, body=None, user=None, origin=None):
        """Status code and body of one request to this node's HTTP port; (None, "") without an
        answer. What is expected must be the status: 503 is an answer. user: (name, password)."""
        channel = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=seconds)
        headers = {"Origin": origin} if origin else {}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(
                ":".join(user).encode()).decode()
        try:
            channel.request(method, path, body, headers)
            answer = channel.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None, ""
        finally:
            channel.close()

    def sql(self, query, database="app", timeout=30):
        """One query as superuser over the unix socket: the lines of the answer."""
        done = self.try_sql(query, database, timeout)
        expect(done is not None and done.returncode == 0,
               f"{self.name}: {query}: {done.stderr.strip() if done else 'no answer'}")
        return done.stdout.splitlines()

    def try_sql(self, query, database="app", timeout=30):
        argv = [str(newest_postgres() / "psql"), "-XAtq", "-h", str(self.run_directory), "-p",
                str(self.postgres_port), "-U", "postgres", "-d", database, "-c", query]
        try:
            return subprocess.run(as_server_user(argv), capture_output=True, text=True, cwd="/",
                                  timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return None

    def control_data(self):
        """What pg_controldata says, as a dictionary."""
        argv = [str(newest_postgres() / "pg_controldata"), "-D", str(self.data)]
        done = subprocess.run(as_server_user(argv), capture_output=True, text=True, check=True,
                              cwd="/", env={"LC_ALL": "C", "PATH": os.environ["PATH"]})
        return {line.split(":", 1)[0]: line.split(":", 1)[1].strip()
                for line in done.stdout.splitlines() if ":" in line}

    def by_hand(self, *arguments):
        """pg_ctl on the data directory, without Evergres."""
        server = f"-p {self.postgres_port} -k {self.run_directory} -c listen_addresses="
        argv = [str(newest_postgres() / "pg_ctl"), "-D", str(self.data), "-w", "-o", server,
                "-l", str(self.directory / "by_hand.log"), *arguments]
        done = subprocess.run(as_server_user(argv), stdout=subprocess.PIPE, text=True, check=False,
                              stderr=subprocess.STDOUT, cwd="/", timeout=60,
                              stdin=subprocess.DEVNULL)
        log = self.directory / "by_hand.log"
        expect(done.returncode == 0, f"pg_ctl {arguments}: {done.stdout} "
               f"{log.read_text(errors='replace')[-2000:] if log.exists() else ''}")

    def explain(self):
        """What this node's agent decides now, and why; "" while it does not answer."""
        return (self.ask("explain", what="election") or {}).get("text", "")

    def server_log(self):
        path = self.state / "log" / "postgres.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_text(self):
        """Everything that Evergres and PostgreSQL of this node have logged."""
        logs = [path for path in self.directory.rglob("*.log")
                if self.data not in path.parents or "log" in path.parent.name]
        return "".join(f"--- {path}\n{path.read_text(errors='replace')}" for path in sorted(logs))

    def last_log_lines(self, count=25):
        out = []
        for path in sorted(self.directory.rglob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-count:]
            out += [f"--- {path}"] + lines
        return "\n".join(out)


class Cluster:
    """Nodes n1 … nN with one SQLite store. Used as a context it removes everything at the end.
    proxy: each node has an endpoint, and applications use it."""

    def __init__(self, program, nodes=3, keep=False, name="story", settings=None, proxy=False):
        self.keep, self.name = keep, name
        self.settings = settings or {}
        self.replayed = {}  # bytes of journals that were replayed, by inode
        self.directory = Path(tempfile.mkdtemp(prefix="evg-", dir="/tmp"))
        self.directory.chmod(0o711)
        own(self.directory)
        self.program = self.directory / "evergres"
        shutil.copy2(program, self.program)  # the clone may be where only root can look
        self.program.chmod(0o755)
        store_directory = self.directory / "store"
        store_directory.mkdir(mode=0o700)
        own(store_directory)
        self.store = store_directory / "store.db"
        self.secret = self._secret("secret")
        self.password_file = self._secret("password")
        self.password = self.password_file.read_text().strip()
        self.http_user = "operator"
        self.http_password_file = self._secret("http_password")
        self.http_password = self.http_password_file.read_text().strip()
        self.settings = {**self.settings, "http_user": self.http_user,
                         "http_password_file": self.http_password_file}
        ports, self.port_claim = free_ports(3 * nodes)
        endpoints = []
        self.proxy_port_claim = None
        if proxy:
            endpoints, self.proxy_port_claim = free_ports(2 * nodes)
        self.nodes = [Node(self, f"n{i + 1}", *ports[3 * i:3 * i + 3], endpoints[2 * i:2 * i + 2])
                      for i in range(nodes)]

    def _secret(self, name):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(24) + "\n")
        own(path)
        return path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if error is not None:
                self.explain()
            else:
                self.check_journals()
        finally:
            self.destroy()

    def check_journals(self):
        """Every decision of every agent is decided the same again from its journal. What an earlier
        call has checked is left out."""
        for node in self.nodes:
            for journal in sorted(node.state.glob("journal*.jsonl")):
                inode, checked = journal.stat().st_ino, self._whole_lines_of(journal)
                if not checked:
                    continue
                self._replay(journal, checked)
                self.replayed[inode] = self.replayed.get(inode, 0) + len(checked)

    def _whole_lines_of(self, journal):
        """What was written after the last check, up to the end of a line."""
        with open(journal, "rb") as file:
            found = os.fstat(file.fileno())
            checked = self.replayed.get(found.st_ino, 0)
            if checked > found.st_size:  # another file under the number of one that was removed
                checked = self.replayed[found.st_ino] = 0
            file.seek(checked)
            text = file.read()
        return text[:text.rfind(b"\n") + 1]

    def _replay(self, journal, lines):
        with tempfile.NamedTemporaryFile(dir=self.directory, suffix=".jsonl") as part:
            part.write(lines)
            part.flush()
            own(Path(part.name))
            argv = as_server_user([str(self.program), "replay", part.name])
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/",
                                  check=False, stdin=subprocess.DEVNULL)
            expect(done.returncode >= 0 and " 0 differ" in done.stdout,
                   f"{journal} replays differently:\n{done.stdout}{done.stderr}")

    def __getitem__(self, name):
        return next(node for node in self.nodes if node.name == name)

    def create(self, seconds=90, first_is_last=False):
        """init on the first node, run on all, until every node streams and the policy is whole.
        first_is_last: the first node runs when it can know all others."""
        for node in self.nodes:
            node.write_config()
        done = self.nodes[0].evergres("init", timeout=seconds)
        expect(done.returncode == 0, f"evergres init failed: {done.stderr}{done.stdout}")
        for node in self.nodes[1:] + self.nodes[:1] if first_is_last else self.nodes:
            node.start()
            wait_until(f"the agent of {node}", lambda: not first_is_last or node.status(), 20)
        self.wait_healthy(seconds)
        return self

    def destroy(self):
        everything = lambda: processes.below(self.directory)
        memory = processes.shared_memory(everything())
        processes.kill_at_once(everything)
        for node in self.nodes:
            if node.popen:
                node.popen.wait(timeout=30)
        wait_until("the end of all processes", lambda: not everything(), 30)
        self.port_claim.close()
        if self.proxy_port_claim:
            self.proxy_port_claim.close()
        if self.keep:
            print(f"   kept: {self.directory}")
        else:
            self._remove_shared_memory(memory)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _remove_shared_memory(self, files):
        """Who was killed left it to its next start, and a machine has room for 4096 segments."""
        for node in self.nodes:
            with contextlib.suppress(OSError, ValueError, IndexError):
                _, segment = (node.data / "postmaster.pid").read_text().splitlines()[6].split()
                subprocess.run(["ipcrm", "-m", segment], stderr=subprocess.DEVNULL, check=False)
        for file in files:
            with contextlib.suppress(OSError):
                os.unlink(file)

    def explain(self, out=sys.stderr):
        """What a person needs after a failure: the status and the last lines of every log."""
        print(f"\nstatus: {json.dumps(self.status(), indent=1)}", file=out)
        for node in self.nodes:
            print(f"\n=== {node.name}: {list(node.processes().values())}", file=out)
            print(node.last_log_lines(), file=out)

    # -- what the cluster says ---------------------------------------------------------------------

    def status(self):
        """The answer of the highest term among the agents that answer; None if none does."""
        answers = [answer for answer in (node.status() for node in self.nodes) if answer]
        return max(answers, key=lambda a: (a["term"], a["phase"] == "leading"), default=None)

    def brief(self):
        status = self.status()
        if not status:
            return "no agent answers"
        nodes = {n["name"]: f"{n['role']}/{n['state']}" for n in status["nodes"]}
        return (f"term {status['term']} {status['phase']} leader {status['leader']} voters "
                f"{status['voters']} unproven {status['unproven']} {nodes} "
                f"{status.get('degraded') or ''} {status.get('store_trouble') or ''}")

    def leader(self):
        """The node that leads, or None."""
        status = self.status()
        if not status or status["phase"] != "leading" or not status.get("leader"):
            return None
        return self[status["leader"]]

    def standbys(self):
        leader = self.leader()
        return [node for node in self.nodes if node is not leader]

    def wait_leader(self, other_than=None, seconds=60, above_term=0):
        def found():
            status, leader = self.status(), self.leader()
            if leader is None or leader is other_than or status["term"] <= above_term:
                return None
            answer = leader.try_sql("select pg_is_in_recovery()", "postgres", 5)
            return leader if answer and answer.stdout.strip() == "f" else None
        what = "an open leader" + (f" other than {other_than}" if other_than else "")
        return wait_until(what, found, seconds, self.brief)

    def is_healthy(self):
        status = self.status()
        if not status or status["phase"] != "leading" or status["unproven"]:
            return False
        others = [n for n in status["nodes"] if n["name"] != status["leader"]]
        return (len(status["nodes"]) == len(self.nodes)
                and (status["durability"] == "async"
                     or len(status["voters"]) == len(self.nodes) - 1)
                and all(n["state"] == "streaming" for n in others)
                and self._streams(self[status["leader"]]))

    def _streams(self, leader):
        """PostgreSQL itself says that every other node streams."""
        answer = leader.try_sql("select count(distinct application_name) from pg_stat_replication"
                                " where state = 'streaming' and application_name like 'evg%'",
                                "postgres", 5)
        return bool(answer) and answer.stdout.strip() == str(len(self.nodes) - 1)

    def wait_healthy(self, seconds=120):
        wait_until("all nodes streaming and the policy whole", self.is_healthy, seconds,
                   self.brief, every=0.2)
        return self.leader()

    def wait_open(self, seconds=60):
        """Waits until every node lets the application in: a standby that was started does so once
        it streams, and until then a client that only walks past it is refused (decision 0010)."""
        for node in self.nodes:
            wait_until(f"{node} letting applications in", lambda: self._admits(node), seconds,
                       self.brief)

    def _admits(self, node):
        try:
            psycopg2.connect(self.dsn([node], target_session_attrs="any")).close()
            return True
        except psycopg2.OperationalError:
            return False

    def dsn(self, nodes=None, **extra):
        nodes = nodes or self.nodes
        words = {"host": ",".join(str(node.client_host) for node in nodes),
                 "port": ",".join(str(node.postgres_port) for node in nodes),
                 "user": "app", "dbname": "app", "password": self.password,
                 "connect_timeout": "2", "target_session_attrs": "read-write",
                 "keepalives_idle": "1", "keepalives_interval": "1", "keepalives_count": "3",
                 "tcp_user_timeout": "3000", **extra}
        return " ".join(f"{key}={value}" for key, value in words.items())

    def history(self):
        done = (self.leader() or self.nodes[0]).evergres("history", "-o", "json")
        expect(done.returncode == 0, f"evergres history failed: {done.stderr}")
        answer = json.loads(done.stdout)
        return answer if isinstance(answer, list) else answer["entries"]

    # -- what can be done to it --------------------------------------------------------------------

    def switchover(self, to, seconds=60):
        done = (self.leader() or to).evergres("switchover", "--to", to.name, "--force", timeout=seconds)
        expect(done.returncode == 0, f"evergres switchover failed: {done.stderr}{done.stdout}")
        wait_until(f"{to} leading", lambda: self.leader() is to, seconds, self.brief)

    @contextlib.contextmanager
    def store_locked(self):
        """Holds the store's exclusive lock while the block runs, as a stuck process would."""
        script = ("import sqlite3, sys\n"
                  "db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
                  "db.execute('begin exclusive')\n"
                  "print('locked', flush=True)\n"
                  "sys.stdin.read()\n")
        argv = as_server_user(["/usr/bin/python3", "-c", script, str(self.store)])
        holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        try:
            expect(holder.stdout.readline() == b"locked\n", "the store could not be locked")
            yield
        finally:
            holder.kill()
            holder.wait()

    @contextlib.contextmanager
    def store_hidden(self):
        """Takes the store's directory away while the block runs, as a lost mount would."""
        away = self.store.parent.with_name("store.away")
        self.store.parent.rename(away)
        try:
            yield
        finally:
            away.rename(self.store.parent)

    def store_lock_held_by(self, pid):
        """Whether process `pid` holds a write lock on a file of the store (/proc/locks)."""
        inodes = {str(path.stat().st_ino) for path in self.store.parent.iterdir()}
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "WRITE" in words and str(pid) in words and words[5].rsplit(":", 1)[-1] in inodes:
                return True
        return False

    def in_background(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread


def store_readable(path):
    """Whether the store can be read now; used by stories that take it away."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.execute("select count(*) from sqlite_master").fetchone()
        return True
    except sqlite3.Error:
        return False
