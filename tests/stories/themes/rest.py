"""What operators' scripts change over HTTP, and what strangers do not."""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

from harness import expect, story, under_load, wait_until

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
RUNBOOK = SCRIPTS / "patroni_runbook.sh"
PATRONICTL = SCRIPTS / "patronictl.py"


def _curl_config(cluster):
    path = cluster.directory / "curl.conf"
    path.touch(mode=0o600)
    path.write_text(f'user = "{cluster.http_user}:{cluster.http_password}"\n')
    return path


@story(ci=True)
def a_runbook_for_patroni(cluster):
    """A shell script that was written for Patroni (curl and jq) switches over, restarts, reloads
    and reinitializes, and waits with /cluster and /patroni. Clients lose nothing."""
    with under_load(cluster):
        urls = [f"http://127.0.0.1:{node.http_port}" for node in cluster.nodes]
        done = subprocess.run([str(RUNBOOK), str(_curl_config(cluster)), *urls], timeout=400,
                              capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        expect(done.returncode == 0 and done.stdout.endswith("done\n"), done.stdout + done.stderr)
        switched = re.search(r'/switchover .* -> 200 Successfully switched over to "(n\d)"',
                             done.stdout)
        expect(switched and "-> 200 restarted successfully" in done.stdout
               and "-> 202 reload scheduled" in done.stdout
               and "-> 200 reinitialize started" in done.stdout
               and "-> 200 Successfully failed over to" in done.stdout, done.stdout)
        cluster.wait_healthy()


def _changes(node, path, body=None, **how):
    return node.http(path, "POST", 30, body=body, **how)


def _metric(node, name):
    found = re.search(rf"^evergres_{name}{{[^}}]*}} (\S+)$", node.http("/metrics")[1], re.M)
    return float(found.group(1)) if found else None


@story(ci=True)
def strangers_change_nothing(cluster):
    """Without the password, with a wrong one, or with a body that means nothing no request changes
    anything; wrong passwords are slow to be refused, and many of them do not hold up health
    checks."""
    leader = cluster.leader()
    term = cluster.status()["term"]
    wish = json.dumps({"leader": leader.name})
    paths = ("/switchover", "/failover", "/restart", "/reload", "/reinitialize", "/config", "/x")
    for path in paths:
        code, text = _changes(leader, path, wish)
        expect(code == 401 and "no auth header received" in text, f"{path}: {code} {text}")
    began = time.monotonic()
    code, text = _changes(leader, "/switchover", wish, user=(cluster.http_user, "x" * 48))
    expect(code == 401 and "not authenticated" in text, f"{code} {text}")
    expect(time.monotonic() - began >= 1, "a wrong password was refused at once")
    _flood(cluster, leader, wish)
    known = {"user": (cluster.http_user, cluster.http_password)}
    for body, wanted in (("{", 400), ("[]", 400), ("{}", 400), ('{"leader": 7}', 400),
                         (json.dumps({"leader": leader.name, "candidate": leader.name}), 400),
                         (json.dumps({"leader": leader.name, "candiate": "n2"}), 400),
                         (json.dumps({"leader": "nobody", "candidate": "n2"}), 412),
                         (json.dumps({"leader": leader.name, "candidate": "n9"}), 412),
                         (json.dumps({"leader": leader.name, "scheduled_at": "now"}), 400),
                         (" " * 20000, 413)):
        code, text = _changes(leader, "/switchover", body, **known)
        expect(code == wanted, f"{body[:80]}: {code} {text}")
    code, text = leader.http("/config", "PATCH", 5, body='{"ttl": 20}', **known)
    expect(code == 400 and "cluster-options" in text, f"{code} {text}")
    code, text = _changes(leader, "/switchover", wish, origin="http://evil.example", **known)
    expect(code == 403 and "another site" in text, f"{code} {text}")
    expect(cluster.leader() is leader and cluster.status()["term"] == term, cluster.brief())
    for node in cluster.nodes:
        for secret in (cluster.http_password, "x" * 48):
            expect(secret not in node.log_text(), f"a password is in the log of {node}")


def _flood(cluster, node, wish):
    """As many wrong passwords at once as there are connections."""
    codes = []

    def guess():
        code, _ = _changes(node, "/switchover", wish, user=("admin", "y" * 20))
        codes.append(code)
    guesses = [threading.Thread(target=guess, daemon=True) for _ in range(40)]
    for one in guesses:
        one.start()
    while any(one.is_alive() for one in guesses):
        began = time.monotonic()
        expect(node.http("/primary")[0] == 200, "a health check was held up by strangers")
        expect(time.monotonic() - began < 1, "a health check waited for strangers")
    expect(codes.count(429) > 0 and set(codes) == {401, 429}, f"{codes}")
    wait_until("room for the right password", lambda: _changes(
        node, "/nothing", user=(cluster.http_user, cluster.http_password))[0] == 404, 20)


def _config(node, method, document, known):
    """A changing request to /config; (code, the document or the error)."""
    code, text = node.http("/config", method, 30, body=json.dumps(document), **known)
    return code, json.loads(text) if text else {}


def _work_mem(node):
    answer = node.try_sql("show work_mem", "postgres", 5)
    return answer.stdout.strip() if answer and answer.returncode == 0 else None


@story()
def settings_are_patched_as_in_patronis_runbooks(cluster):
    """PATCH /config changes parameters on every node, PUT sends the edited document back without
    taking away what it did not show, and what PostgreSQL would refuse changes nothing."""
    known = {"user": (cluster.http_user, cluster.http_password)}
    leader, standby = cluster.leader(), cluster.standbys()[0]
    before = {node.name: _work_mem(node) for node in cluster.nodes}
    code, shown = _config(standby, "PATCH", {"postgresql": {"parameters": {
        "work_mem": "7MB", "auto_explain.log_min_duration": 5000}}}, known)
    expect(code == 200 and shown["postgresql"]["parameters"] == {"work_mem": "7MB"},
           f"{code} {shown}")
    wait_until("every node has the patched parameter",
               lambda: all(_work_mem(node) == "7MB" for node in cluster.nodes), 30)
    for wrong, wanted in (({"postgresql": {"parameters": {"work_mem": "much"}}}, 400),
                          ({"postgresql": {"parameters": {"port": 5432}}}, 400),
                          ({"synchronous_node_count": "two"}, 400)):
        code, answer = _config(leader, "PATCH", wrong, known)
        expect(code == wanted and answer["error"]["message"], f"{wrong}: {code} {answer}")
    code, text = standby.http("/config")
    document = json.loads(text)
    del document["postgresql"]["parameters"]["work_mem"]
    code, shown = _config(standby, "PUT", document, known)
    expect(code == 200 and shown["postgresql"]["parameters"] == {}, f"{code} {shown}")
    wait_until("every node has its own parameter again", lambda: all(
        _work_mem(node) == before[node.name] for node in cluster.nodes), 30)
    kept = leader.evergres("show-config", "--cluster")
    expect("auto_explain.log_min_duration" in kept.stdout, f"taken away: {kept.stdout}")
    code, shown = _config(leader, "PATCH", {"postgresql": None, "synchronous_mode": None,
                                            "synchronous_node_count": None}, known)
    expect(code == 200, f"{code} {shown}")


@story(own=True)
def changes_need_a_password_file(new_cluster):
    """Without http_user nothing can be changed over HTTP, and the answer says what to set. A file
    that others may read, or none, is refused at the start."""
    with new_cluster(nodes=1) as cluster:
        (node,) = cluster.nodes
        wanted = {name: cluster.settings.pop(name) for name in ("http_user", "http_password_file")}
        node.write_config()
        done = node.evergres("init", timeout=60)
        expect(done.returncode == 0, f"init: {done.stderr}")
        node.start()
        cluster.wait_healthy()
        code, text = _changes(node, "/restart", user=("admin", "a password that is long"))
        expect(code == 403 and "http_password_file" in text, f"{code} {text}")
        node.stop()
        cluster.settings.update(wanted)
        cluster.http_password_file.chmod(0o644)
        node.start()
        expect(node.popen.wait(timeout=60) != 0, "it started with an open password file")
        expect("http_password_file" in node.last_log_lines(60), node.last_log_lines(60))
        cluster.http_password_file.chmod(0o600)
        node.start()
        cluster.wait_healthy()
        wait_until("a restart over HTTP", lambda: _changes(
            node, "/restart", user=(cluster.http_user, cluster.http_password))
            == (200, "restarted successfully"), 60)
        cluster.wait_healthy()


def _patronictl(cluster, *words, seconds=120):
    config = cluster.directory / "patronictl.yaml"
    config.touch(mode=0o600)
    config.write_text("restapi:\n  authentication:\n"
                      f"    username: {cluster.http_user}\n    password: {cluster.http_password}\n")
    node = cluster.leader() or cluster.nodes[0]
    done = subprocess.run(["/usr/bin/python3", str(PATRONICTL),
                           f"http://127.0.0.1:{node.http_port}", "-c", str(config), *words],
                          capture_output=True, text=True, timeout=seconds, check=False,
                          stdin=subprocess.DEVNULL)
    expect(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
    return done.stdout


def _has_patronictl():
    return subprocess.run(["/usr/bin/python3", "-c", "import patroni.ctl"], check=False,
                          capture_output=True).returncode == 0


@story()
def real_patronictl(cluster):
    """The code of patronictl lists, switches over, restarts, reloads and reinitializes members of
    this cluster; only where it finds them is ours. Needs the package patroni (or PYTHONPATH)."""
    if not _has_patronictl():
        print("   SKIPPED: the package patroni is not installed")
        return
    name = cluster.name
    with under_load(cluster):
        old = cluster.leader()
        new, other = (node for node in cluster.nodes if node is not old)
        rows = json.loads(_patronictl(cluster, "list", name, "-f", "json"))
        expect({row["Member"]: row["Role"] for row in rows}
               == {old.name: "Leader", new.name: "Replica", other.name: "Replica"}, rows)
        said = _patronictl(cluster, "switchover", name, "--leader", old.name, "--candidate",
                           new.name, "--force")
        expect(f'Successfully switched over to "{new.name}"' in said, said)
        wait_until(f"{new} leading", lambda: cluster.leader() is new, 30, cluster.brief)
        cluster.wait_healthy()
        said = _patronictl(cluster, "restart", name, old.name, "--force")
        expect(f"Success: restart on member {old.name}" in said, said)
        cluster.wait_healthy()
        said = _patronictl(cluster, "reload", name, other.name, "--force")
        expect(f"Reload request received for member {other.name}" in said, said)
        said = _patronictl(cluster, "pause", name)
        expect("Success" in said and cluster.status()["paused"], said)
        said = _patronictl(cluster, "resume", name)
        expect("Success" in said and not cluster.status()["paused"], said)
        said = _patronictl(cluster, "reinit", name, other.name, "--force", "--wait", seconds=200)
        expect(f"Success: reinitialize for member {other.name}" in said, said)
        cluster.wait_healthy()
