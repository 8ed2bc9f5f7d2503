"""Mistakes of people: a clear refusal, nothing deleted, nothing promoted."""

import os
import shutil
import socket

from harness import expect, story, under_load, wait_until
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
            _refuses(cluster.nodes[0], "init")
            saved = other.data, other.state
            other.data = other.directory / "elsewhere"
            other.state = other.directory / "elsewhere-state"
            other.write_config()
            _refuses(other, "init", "exists already")
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
