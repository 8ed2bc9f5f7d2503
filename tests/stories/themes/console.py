"""The console of an endpoint, and who reads its numbers."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import urllib.request

import psycopg2

from harness import expect, story, wait_until
from harness.cluster import free_ports
from harness.endpoint import endpoint_dsn

EXPORTER = "prometheus-pgbouncer-exporter"


@contextlib.contextmanager
def _one_node(new_cluster):
    """A cluster of one node whose application may do everything in the console."""
    with new_cluster(1, proxy=True) as cluster:
        cluster.nodes[0].proxy_settings = {"admins": "[app]", "pool_mode": "transaction"}
        cluster.create()
        yield cluster, cluster.nodes[0]


@contextlib.contextmanager
def _connected(cluster, database="app"):
    """A connection through the endpoint, each statement a transaction of its own."""
    client = psycopg2.connect(endpoint_dsn(cluster), dbname=database)
    client.autocommit = True
    try:
        yield client.cursor()
    finally:
        client.close()


def _console(cluster, command):
    """What the console answers; None for a command without rows."""
    with _connected(cluster, "pgbouncer") as console:
        console.execute(command)
        if not console.description:
            return None
        names = [column.name for column in console.description]
        return [dict(zip(names, row)) for row in console.fetchall()]


def _page(port, seconds=5):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=seconds) as page:
            return page.read().decode()
    except OSError:
        return ""


@contextlib.contextmanager
def _exporter(cluster, node):
    """Debian's exporter of PgBouncer before the endpoint; its port."""
    (port,), claim = free_ports(1)
    log = cluster.directory / "exporter.log"
    argv = [shutil.which(EXPORTER), "--host", "127.0.0.1", "--port", str(port), "--pgbouncer-host",
            "127.0.0.1", "--pgbouncer-port", str(node.proxy_port), "--pgbouncer-user", "app"]
    with claim, open(log, "wb") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said, stdin=subprocess.DEVNULL,
                                   env={**os.environ, "PGPASSWORD": cluster.password})
        try:
            wait_until("the exporter's page", lambda: _page(port), 30,
                       lambda: log.read_text()[-1000:])
            yield port
        except BaseException:
            print(log.read_text()[-3000:], flush=True)
            raise
        finally:
            process.terminate()
            process.wait(timeout=20)


@story(own=True)
def debians_exporter_of_pgbouncer_reads_the_console(new_cluster):
    """The package prometheus-pgbouncer-exporter connects to the endpoint as to PgBouncer and finds
    every table and column that it wants."""
    if not shutil.which(EXPORTER):
        print(f"   SKIPPED: {EXPORTER} is not installed (tools/setup drivers)", flush=True)
        return
    with _one_node(new_cluster) as (cluster, node), _connected(cluster) as client:
        for _ in range(20):
            client.execute("select 1")
        with _exporter(cluster, node) as port:
            page = _page(port)
        found = dict(line.rsplit(" ", 1) for line in page.splitlines() if line[:1] != "#")
        for sample, least in (('pgbouncer_active_clients{database="app",user="app"}', 1),
                              ('pgbouncer_pool_size{database="app"}', 20),
                              ('pgbouncer_requests_total{database="app"}', 20),
                              ("pgbouncer_used_clients", 2)):
            expect(float(found.get(sample, -1)) >= least, f"no {sample} in:\n{page}")


@story(own=True)
def the_endpoints_numbers_reach_metrics_and_the_command_line(new_cluster):
    """The agent's /metrics has the endpoint's page behind its own, and goes on without it while the
    endpoint does not answer; pools, clients and servers are shown by commands of their name."""
    with _one_node(new_cluster) as (cluster, node), _connected(cluster) as client:
        for _ in range(7):
            client.execute("select 1")
        page = _page(node.http_port)
        for line in ('evergres_proxy_transactions_total{scope="story",name="n1",database="app"} 7',
                     "evergres_proxy_query_seconds_bucket", "evergres_proxy_paused"):
            expect(line in page, f"no {line} in:\n{page}")
        expect("patroni_primary" in page, page)

        tables = {}
        for table in ("pools", "clients", "servers"):
            done = node.evergres(table, "-o", "json")
            expect(done.returncode == 0, done.stderr)
            tables[table] = json.loads(done.stdout)[table]
            shown = node.evergres(table)
            expect("app" in shown.stdout, shown.stdout + shown.stderr)
        mine = [row for row in tables["clients"] if row["database"] == "app"]
        expect(len(mine) == 1 and mine[0]["user"] == "app" and mine[0]["node"] == "n1", mine)
        expect([row["sv_idle"] for row in tables["pools"] if row["user"] == "app"] == [1],
               tables["pools"])
        expect(any(row["remote_pid"] for row in tables["servers"]), tables["servers"])

        endpoint = node.proxy()
        os.kill(endpoint, signal.SIGSTOP)
        try:
            page = _page(node.http_port)
            expect("patroni_primary" in page, "no page while the endpoint stands still")
            expect("evergres_proxy" not in page, "numbers of an endpoint that stands still")
        finally:
            os.kill(endpoint, signal.SIGCONT)
        wait_until("the endpoint's numbers", lambda: "evergres_proxy" in _page(node.http_port), 20)


@story(own=True)
def a_shutdown_waits_for_clients(new_cluster):
    """RELOAD in the console does what SIGHUP does, and says what went wrong. SHUTDOWN
    WAIT_FOR_CLIENTS lets nobody in any more, leaves those who are there in peace, and ends the
    process with the last of them; the supervisor starts the next one."""
    with _one_node(new_cluster) as (cluster, node):
        node.proxy_settings["pool_size"] = 7
        node.write_config()
        _console(cluster, "RELOAD")
        config = {row["key"]: row["value"] for row in _console(cluster, "SHOW CONFIG")}
        expect(config["default_pool_size"] == "7", config)
        node.proxy_settings["pool_size"] = "many"
        node.write_config()
        try:
            _console(cluster, "RELOAD")
            raise AssertionError("a broken node.yaml was taken")
        except psycopg2.Error as error:
            expect("pool_size" in str(error), error)
        node.proxy_settings["pool_size"] = 7
        node.write_config()

        before = node.proxy()
        with _connected(cluster) as client:
            client.execute("select 1")
            _console(cluster, "SHUTDOWN WAIT_FOR_CLIENTS")

            def refused():
                try:
                    psycopg2.connect(endpoint_dsn(cluster), connect_timeout=2).close()
                except psycopg2.Error:
                    return True
                return False
            wait_until("newcomers are refused", refused, 20)
            client.execute("select 1")
            expect(node.proxy() == before, "the endpoint ended under its client")

        def again():
            with contextlib.suppress(psycopg2.Error), _connected(cluster) as client:
                client.execute("select 1")
                return node.proxy() not in (None, before)
            return False
        wait_until("a new endpoint", again, 30)
