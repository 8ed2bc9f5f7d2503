"""What an experienced operator does without us: servers that stream, PgBouncer before them, and a
script with open connections that pauses, stops, promotes and resumes."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg2
from harness import wait_until
from harness.cluster import as_server_user, newest_postgres, own

import targets

EVERY = 0.005


class Server:
    def __init__(self, place, name, port):
        self.place, self.name, self.port = place, name, port  # the name is that of its directory
        self.data = place.directory / name
        self.session = None

    def dsn(self, database="postgres"):
        return f"host={self.place.directory} port={self.port} user=postgres dbname={database}"

    def run(self, program, *arguments):
        argv = [str(newest_postgres() / program), *map(str, arguments)]
        subprocess.run(as_server_user(argv), check=True, capture_output=True, cwd="/")

    def start(self):
        settings = {**targets.SERVER_SETTINGS, "port": self.port, "hot_standby": "on",
                    "listen_addresses": "127.0.0.1", "wal_level": "replica", "wal_keep_size": "512MB",
                    "unix_socket_directories": self.place.directory}
        words = " ".join(f"-c {key}={value}" for key, value in settings.items())
        self.run("pg_ctl", "-D", self.data, "-l", self.place.directory / f"{self.name}.log", "-w",
                 "-o", words, "start")
        self.session = psycopg2.connect(self.dsn())
        self.session.autocommit = True

    def ask(self, query):
        with self.session.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0] if cursor.description else None

    def postmaster(self):
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop_fast(self, patient):
        self.session.close()
        if patient:
            return self.run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
        os.kill(self.postmaster(), signal.SIGINT)
        wait_until(f"the end of {self.name}", lambda: not (self.data / "postmaster.pid").exists(),
                   60, every=EVERY)
        return None

    def promote(self, patient):
        if patient:
            return self.run("pg_ctl", "-D", self.data, "-w", "promote")
        self.ask("select pg_promote(false)")
        while self.ask("select pg_is_in_recovery()"):
            time.sleep(EVERY)
        return None

    def follow(self, leader):
        """Writes whom it is to stream from."""
        conninfo = f"host={self.place.directory} port={leader.port} user=postgres"
        with open(self.data / "postgresql.auto.conf", "a", encoding="ascii") as file:
            file.write(f"primary_conninfo = '{conninfo}'\nrecovery_target_timeline = 'latest'\n")


class ByHand:
    """Three servers and a PgBouncer before their primary. patient: stops and promotes with pg_ctl,
    which looks ten times a second; else the script itself looks every 5 ms."""

    def __init__(self, place, program, patient):
        self.patient, self.name = patient, "patient" if patient else "hurried"
        self.title = f"by hand, {'with pg_ctl' if patient else 'looking every 5 ms'}"
        found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
        if not found:
            raise targets.Unavailable(f"{program} is not installed (apt-get install pgbouncer)")
        self.place, self.program, self.stack = place, found, contextlib.ExitStack()
        self.servers, self.console, self.turns = [], None, itertools.count(1)

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for name in ("one", "two", "three"):
                name = f"{self.name}-{name}"
                self.servers.append(Server(self.place, name, stack.enter_context(targets.a_port())))
            primary = self.servers[0]
            primary.run("initdb", "-D", primary.data, "-U", "postgres", "-A", "trust")
            primary.start()
            stack.callback(self.end_servers)
            primary.ask(f"create role {targets.USER} superuser login")
            for standby in self.servers[1:]:
                standby.run("pg_basebackup", "-D", standby.data, "-h", self.place.directory, "-p",
                            primary.port, "-U", "postgres", "-R", "-c", "fast")
                standby.follow(primary)
                standby.start()
            self.port = stack.enter_context(targets.a_port())
            self.configure(primary)
            stack.enter_context(self.place.running(self.name, [self.program, str(self.config)]))
            wait_until("PgBouncer", lambda: targets.answers(self.dsn()), 20,
                       lambda: self.place.tail_of(self.name))
            self.console = psycopg2.connect(self.dsn("pgbouncer"))
            self.console.autocommit = True
            self.wait_whole()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def end_servers(self):
        for server in self.servers:
            with contextlib.suppress(OSError, ValueError):
                os.kill(server.postmaster(), signal.SIGQUIT)
        wait_until("the end of the servers", lambda: not any(
            (server.data / "postmaster.pid").exists() for server in self.servers), 60)

    def dsn(self, database="postgres"):
        return (f"host=127.0.0.1 port={self.port} user={targets.USER} dbname={database} "
                "sslmode=disable gssencmode=disable connect_timeout=20")

    def configure(self, primary):
        users = self.place.write(f"{self.name}-users.txt", f'"{targets.USER}" ""\n')
        self.config = self.place.write(f"{self.name}.ini", f"""
[databases]
postgres = host={self.place.directory} port={primary.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = {targets.USER}
pool_mode = transaction
""")

    def admin(self, command):
        with self.console.cursor() as cursor:
            cursor.execute(command)

    def primary(self):
        return next(server for server in self.servers if not server.ask("select pg_is_in_recovery()"))

    def wait_whole(self):
        wait_until("both standbys streaming", lambda: self.primary().ask(
            "select count(*) from pg_stat_replication where state = 'streaming'") == 2, 60)

    def switchover(self):
        old = self.primary()
        standbys = [server for server in self.servers if server is not old]
        heir, other = standbys
        old.ask("checkpoint")
        self.admin("pause postgres")
        old.stop_fast(self.patient)
        heir.promote(self.patient)
        self.configure(heir)
        self.admin("reload")
        self.admin("resume postgres")
        # Writers go on; what follows costs them nothing.
        (old.data / "standby.signal").touch()
        own(old.data / "standby.signal")
        old.follow(heir)
        old.start()
        other.follow(heir)
        other.ask("select pg_reload_conf()")
        self.wait_whole()
