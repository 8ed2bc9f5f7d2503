"""Mistakes of people: a clear refusal, nothing deleted, nothing promoted."""

import os
import shutil
import socket

from harness import expect, fill, no_space, small_disk, story, under_load, wait_until
from harness.cluster import own


def _snapshot(directory):
    """Every file with its size, so that a refusal can be shown to have changed nothing."""
    return {str(path.relative_to(directory)): path.lstat().st_size
            for path in directory.rglob("*") if path.is_file()}


def _refuses(node, command, *words):
    """The command ends by itself, with an error that contains the words."""
    done = node.evergres(command, timeout=40)
    expect(done.returncode != 0, f"`evergres {command}` accepted it: {done.stdout}")
    for word in words:
        expect(word.lower() in done.stderr.lower(), f"no {word!r} in: {done.stderr!r}")
    return done.stderr


@story(ci=True, own=True)
def before_the_first_start(new_cluster):
    """Misspelt option, foreign data directory, missing programs, unreachable store, loose secret."""
    with new_cluster(nodes=1) as cluster:
        (node,) = cluster.nodes
        cases = [({"suspect_aftr": "2s"}, ["suspect_aftr", "suspect_after"]),
                 ({"bin_directory": "/nonexistent/bin"}, ["/nonexistent/bin"]),
                 ({"store": "sqlite:/nonexistent/dir/store.db"}, ["/nonexistent/dir"]),
                 ({"postgres_port": "99999"}, ["postgres_port"])]
        for settings, words in cases:
            node.settings = settings
            node.write_config()
            _refuses(node, "init", *words)
            expect(not node.data.exists(), f"{settings} made a data directory")
        node.settings = {}
        node.write_config()
        cluster.secret.chmod(0o644)
        _refuses(node, "init", str(cluster.secret))
        cluster.secret.chmod(0o600)
        node.data.mkdir(mode=0o700)
        own(node.data)
        (node.data / "precious").write_text("somebody's")
        _refuses(node, "init", str(node.data))
        expect((node.data / "precious").read_text() == "somebody's", "a foreign file is gone")


@story(own=True)
def a_second_cluster_in_one_store(new_cluster):
    """init for a cluster that exists is refused, by any node, and the first one goes on."""
    with new_cluster(nodes=2) as cluster:
        cluster.create()
        with under_load(cluster):
            other = cluster.nodes[1]
            system_id = cluster.status()["system_id"]
            first = cluster.nodes[0]
            _refuses(first, "init", "there is data already", str(first.data), "evergres run")
            saved = other.data, other.state
            other.data = other.directory / "elsewhere"
            other.state = other.directory / "elsewhere-state"
            other.write_config()
            _refuses(other, "init", "exists already", system_id, f'"{cluster.name}"',
                     "evergres run")
            expect(not other.data.exists(), "a second data directory was made")
            other.data, other.state = saved
            other.write_config()


@story(own=True)
def data_of_another_cluster(new_cluster):
    """A node comes with the data directory of another cluster: it neither joins nor loses it."""
    with new_cluster(nodes=1) as foreign, new_cluster(nodes=2) as cluster:
        foreign.create()
        foreign.nodes[0].stop()
        cluster.create()
        with under_load(cluster, healthy=False):
            node = cluster.standbys()[0]
            node.stop()
            node.data.rename(node.directory / "aside")
            shutil.copytree(foreign.nodes[0].data, node.data, symlinks=True)
            for top, folders, files in os.walk(node.data):
                for name in [".", *folders, *files]:
                    own(os.path.join(top, name))
            own(node.data)
            before = _snapshot(node.data / "global")
            node.start()
            wait_until("a sentence about the other cluster",
                       lambda: "system id" in node.last_log_lines(60).lower(), 30)
            expect(_snapshot(node.data / "global").keys() >= before.keys(), "files are gone")
            expect(cluster.leader() is not node, "the foreign data leads")


@story(own=True)
def port_taken(new_cluster):
    """Somebody else listens on PostgreSQL's port: said clearly; when it is free, it goes on."""
    with new_cluster(nodes=1) as cluster:
        (node,) = cluster.nodes
        node.write_config()
        done = node.evergres("init", timeout=60)
        expect(done.returncode == 0, f"init: {done.stderr}")
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", node.postgres_port))
            squatter.listen()
            node.start()
            wait_until("a sentence that names the port",
                       lambda: str(node.postgres_port) in node.last_log_lines(60)
                       and "in use" in node.last_log_lines(60).lower(), 60, node.last_log_lines)
        if node.reap():  # it may refuse at its start; it may also wait for the port
            node.start()
        cluster.wait_healthy()


@story(own=True)
def one_name_twice(new_cluster):
    """A second machine says that it is n2 as well: it is refused, the first one stays."""
    with new_cluster(nodes=2) as cluster, new_cluster(nodes=1) as twin_home:
        cluster.create()
        with under_load(cluster, healthy=False):
            twin = twin_home.nodes[0]
            twin.settings = {"node": "n2", "store": f"sqlite:{cluster.store}",
                             "cluster": cluster.name, "secret_file": cluster.secret}
            twin.start()
            wait_until("a sentence about the name",
                       lambda: "n2" in twin.log_text() and (
                           "same name" in twin.log_text().lower()
                           or "another" in twin.log_text().lower()), 60, twin.last_log_lines)
            expect(not (twin.data / "PG_VERSION").exists(), "the twin got a copy of the data")
        cluster.wait_healthy()


@story(ci=True, own=True)
def data_directory_that_is_not_ours_to_use(new_cluster):
    """Open to others, of another user, of another major version: init and run refuse with the mode,
    the user or the version, touch nothing, and run goes on by itself when it was put right."""
    with new_cluster(nodes=2) as cluster:
        first, node = cluster.nodes
        first.write_config()
        first.data.mkdir()
        own(first.data)
        for mode in (0o755, 0o777):
            first.data.chmod(mode)
            _refuses(first, "init", str(first.data), "open to other users", "chmod 0700")
            expect(not list(first.data.iterdir()), "init wrote into it")
        first.data.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(first.data, 0, 0)
            _refuses(first, "init", str(first.data), "another user", "user id 0")
        first.data.rmdir()
        cluster.create()
        with under_load(cluster):
            version, good = node.data / "PG_VERSION", (node.data / "PG_VERSION").read_text()
            wrongs = [("open to other users", lambda: node.data.chmod(0o777),
                       lambda: node.data.chmod(0o700)),
                      ("of PostgreSQL 9", lambda: version.write_text("9\n"),
                       lambda: version.write_text(good))]
            if os.geteuid() == 0:
                wrongs.append(("another user", lambda: os.chown(node.data, 0, 0),
                               lambda: own(node.data)))
            for words, spoil, mend in wrongs:
                node.stop()
                before = _snapshot(node.data)
                spoil()
                node.start()
                wait_until(f"a sentence with {words!r}",
                           lambda: words in node.last_log_lines(40), 30, node.last_log_lines)
                expect(_snapshot(node.data).keys() >= before.keys() - {"postmaster.opts"},
                       "files are gone")
                expect(node.postmaster() is None, "PostgreSQL runs on it")
                mend()
                if node.reap():
                    node.start()
                wait_until(f"{node} streaming", cluster.is_healthy, 60, node.last_log_lines)


@story(own=True)
def init_while_the_store_is_locked(new_cluster):
    """Somebody holds the store's lock: init gives up with a sentence about the lock and leaves
    nothing; the next one succeeds."""
    with new_cluster(nodes=1) as cluster:
        (node,) = cluster.nodes
        node.write_config()
        with cluster.store_locked():
            _refuses(node, "init", str(cluster.store), "lock")
            expect(not node.data.exists(), "a data directory was made")
        cluster.create()
        with under_load(cluster, healthy=False):
            pass


@story(own=True)
def no_space_on_a_standby(new_cluster):
    """The disk of a standby is full: it leaves the policy, writes go on, list says what is wrong
    with it; with space again it follows by itself."""
    with new_cluster(nodes=3) as cluster, small_disk(cluster.nodes[2]) as disk:
        node = cluster.nodes[2]
        cluster.create()
        if cluster.leader() is node:
            cluster.switchover(cluster.nodes[0])
            cluster.wait_healthy()
        with under_load(cluster) as load:
            filler = fill(disk)
            leader = cluster.leader()
            # A new segment of WAL does not fit.
            leader.sql("select pg_switch_wal()", "postgres")
            load.wait_acks(20)
            leader.sql("select pg_switch_wal()", "postgres")
            wait_until("the full disk noticed", lambda: no_space(node), 60, node.last_log_lines)
            wait_until("the policy without it", lambda: (s := cluster.status())
                       and node.name not in s["voters"] and not s["unproven"], 60, cluster.brief)
            load.wait_acks(50)
            filler.unlink()
            cluster.wait_healthy(180)


@story(own=True)
def no_space_on_the_leader(new_cluster):
    """The disk of the leader is full: PostgreSQL ends, another node leads, nothing acknowledged is
    lost; with space again the old leader follows."""
    with new_cluster(nodes=3) as cluster, small_disk(cluster.nodes[0]) as disk:
        node = cluster.nodes[0]
        cluster.create()
        if cluster.leader() is not node:
            cluster.switchover(node)
            cluster.wait_healthy()
        with under_load(cluster) as load:
            filler = fill(disk)
            node.try_sql("select pg_switch_wal()", "postgres", 5)
            cluster.wait_leader(other_than=node, seconds=90)
            load.wait_acks(50)
            expect(no_space(node), "PostgreSQL says nothing of a full disk")
            explained = cluster.leader().evergres("list").stdout
            expect(node.name in explained, explained)
            filler.unlink()
            cluster.wait_healthy(180)
