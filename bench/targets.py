"""What bench/proxy compares: PostgreSQL itself, PgBouncer and Evergres before it."""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/stories"))

import psycopg2  # noqa: E402
from harness import Cluster, wait_until  # noqa: E402
from harness.cluster import as_server_user, free_ports, newest_postgres, own  # noqa: E402
from harness.processes import below  # noqa: E402

USER, PASSWORD, DATABASE = "bench", "bench-only", "bench"
SERVER_SETTINGS = {"shared_buffers": "128MB", "max_connections": "150"}
CLIENT_LIMIT = 6000


class Unavailable(Exception):
    """This target cannot be measured here; the text says why."""


class Workplace:
    """One temporary directory; everything that runs in it ends with it."""

    def __init__(self, keep=False):
        self.keep = keep
        self.directory = Path(tempfile.mkdtemp(prefix="evg-bench-", dir="/tmp"))
        self.directory.chmod(0o711)
        own(self.directory)
        self.numbers = itertools.count(1)
        self.passfile = self.directory / "clients.pgpass"
        self.passfile.touch(mode=0o600)
        self.passfile.write_text(f"*:*:*:{USER}:{PASSWORD}\n")
        certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                       "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                       "-keyout", str(self.directory / "key.pem"),
                       "-out", str(self.directory / "cert.pem")]
        subprocess.run(as_server_user(certificate), check=True, capture_output=True, cwd="/")

    def know_password(self, port, user, database, password):
        """In front: an earlier target may have had the port."""
        known = self.passfile.read_text(encoding="ascii")
        self.passfile.write_text(f"*:{port}:{database}:{user}:{password}\n{known}",
                                 encoding="ascii")

    def remove(self):
        if self.keep:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name, text):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        own(path)
        return path

    @contextlib.contextmanager
    def running(self, name, argv):
        with open(self.directory / f"{name}.log", "ab") as log:
            process = subprocess.Popen(as_server_user(argv), stdout=log, stderr=log, cwd="/",
                                       stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
            process.wait()

    def tail_of(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")[-600:]


@contextlib.contextmanager
def a_port():
    ports, claim = free_ports(1)
    with contextlib.closing(claim):
        yield ports[0]


def answers(dsn):
    try:
        return one_value(dsn, "select 1") == 1
    except psycopg2.Error:
        return False


def one_value(dsn, query):
    with contextlib.closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


class Target:
    """Something that clients connect to. pids: the processes whose CPU and memory count."""

    def __init__(self, place, name, port, pids, version="", prepared=True,
                 role=(USER, DATABASE)):
        self.name, self.port, self.pids, self.version = name, port, pids, version
        self.user, self.database = role
        self.prepared, self.passfile = prepared, place.passfile

    def dsn(self, tls=False):
        return (f"host=127.0.0.1 port={self.port} user={self.user} dbname={self.database} "
                f"passfile={self.passfile} sslmode={'require' if tls else 'disable'} "
                "gssencmode=disable connect_timeout=20")


@contextlib.contextmanager
def postgres(place, scale):
    """One server on loopback TCP and a unix socket, with the tables of pgbench. Yields it as a
    target, with `local`, the way in of its superuser."""
    programs, data = newest_postgres(), place.directory / "data"
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-N",
              "--auth-local=trust", "--auth-host=scram-sha-256"]
    subprocess.run(as_server_user(initdb), check=True, capture_output=True, cwd="/")
    with a_port() as port:
        settings = {**SERVER_SETTINGS, "port": port, "listen_addresses": "127.0.0.1",
                    "unix_socket_directories": place.directory, "fsync": "off"}
        words = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
        with place.running("postgres", [str(programs / "postgres"), "-D", str(data), *words]):
            target = Target(place, "direct", port, [])
            target.local = f"host={place.directory} port={port} user=postgres"
            wait_until("PostgreSQL", lambda: answers(f"{target.local} dbname=postgres"), 30)
            as_superuser(target.local, "postgres",
                         f"create role {USER} login password '{PASSWORD}'",
                         f"create database {DATABASE} owner {USER}")
            make_tables(target.local, scale, USER, DATABASE)
            yield target


def make_tables(local, scale, user, database):
    """The tables of pgbench, on the server behind a unix socket."""
    words = dict(word.split("=") for word in local.split())
    pgbench = [str(newest_postgres() / "pgbench"), "-i", "-q", "-s", str(scale), "-h",
               words["host"], "-p", words["port"], "-U", words["user"], database]
    subprocess.run(as_server_user(pgbench), check=True, capture_output=True, cwd="/")
    as_superuser(local, database, f"grant all on all tables in schema public to {user}")


def as_superuser(local, database, *statements):
    words = dict(word.split("=") for word in local.split())
    psql = [str(newest_postgres() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-h", words["host"],
            "-p", words["port"], "-U", words["user"], "-d", database]
    subprocess.run(as_server_user(psql), check=True, capture_output=True, cwd="/", text=True,
                   input="".join(f"{statement};\n" for statement in statements))


@contextlib.contextmanager
def pgbouncer(place, server, program, pool, link):
    """One process with transaction pooling before `server`."""
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        raise Unavailable(f"{program} is not installed (apt-get install pgbouncer)")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = said.split()[1]
    prepared = tuple(int(part) for part in version.split(".")[:2]) >= (1, 21)
    secret = one_value(f"{server.local} dbname=postgres",
                       f"select rolpassword from pg_authid where rolname = '{USER}'")
    users = place.write("users.txt", f'"{USER}" "{secret}"\n')
    name = f"pgbouncer_{next(place.numbers)}"
    with a_port() as port:
        config = place.write(f"{name}.ini", f"""
[databases]
{DATABASE} = host={place.directory if link == 'unix' else '127.0.0.1'} port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = {CLIENT_LIMIT}
{'max_prepared_statements = 200' if prepared else ''}
client_tls_sslmode = allow
client_tls_key_file = {place.directory}/key.pem
client_tls_cert_file = {place.directory}/cert.pem
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
""")
        with place.running(name, [found, str(config)]) as process:
            target = Target(place, "pgbouncer", port, [process.pid], version, prepared)
            wait_until("PgBouncer", lambda: answers(target.dsn()), 20, lambda: place.tail_of(name))
            yield target


def evergres_configuration(place, port, threads, pool):
    """What node.yaml says about the endpoint, as text."""
    return ("proxy:\n"
            "  host: 127.0.0.1\n"
            f"  port: {port}\n"
            "  read_only_port: 0\n"
            f"  threads: {threads}\n"
            "  pool_mode: transaction\n"
            f"  pool_size: {pool}\n"
            f"  client_limit: {CLIENT_LIMIT}\n"
            f"  tls_certificate: {place.directory}/cert.pem\n"
            f"  tls_certificate_key: {place.directory}/key.pem\n")


@contextlib.contextmanager
def evergres(place, program, scale, pool, threads):
    """A cluster of one node with the endpoint before it. Its PostgreSQL has the settings of the
    other one; only the endpoint's process is measured. Where the supervisor does not start the
    endpoint, `evergres proxy -c node.yaml` is started here."""
    if not os.access(program, os.X_OK):
        raise Unavailable(f"{program} does not exist")
    help_text = subprocess.run([str(program), "--help"], capture_output=True, text=True,
                               check=False, timeout=20).stdout
    if not any(line.split()[:1] == ["proxy"] for line in help_text.splitlines()):
        raise Unavailable(f"{program} has no command `proxy`")
    with a_port() as port, Cluster(program, nodes=1, keep=place.keep) as cluster, \
            contextlib.ExitStack() as stack:
        node = cluster.nodes[0]
        node.parameters.update(SERVER_SETTINGS)
        without = node.write_config

        def write_config():
            without()
            text = evergres_configuration(place, port, threads, pool)
            node.config.write_text(node.config.read_text() + text)
        node.write_config = write_config
        cluster.create()
        make_tables(f"host={node.run_directory} port={node.postgres_port} user=postgres", scale,
                    "app", "app")

        def proxies():
            return [pid for pid, process in below(node.directory).items()
                    if "proxy" in process.argv[1:]]
        if not proxies():
            argv = [str(cluster.program), "proxy", "-c", str(node.config)]
            stack.enter_context(place.running("evergres", argv))
        target = Target(place, "evergres", port, [], role=("app", "app"))
        place.know_password(port, "app", "app", cluster.password)
        wait_until("the endpoint", lambda: answers(target.dsn()), 30, node.last_log_lines)
        target.pids = proxies()
        yield target
