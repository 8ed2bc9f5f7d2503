"""An endpoint on a machine without a node: `evergres proxy` with the files of proxy-config."""

import os
import pwd
import subprocess

from .cluster import free_ports
from .waits import expect, wait_until

OTHER_USER = "nobody"  # who may read nothing of a node: no unix socket, no secret


class Alone:
    """As a context it runs. Before, its directory is made by a node of the cluster and given to
    another user (as root), as if it had been copied to another machine."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.directory = cluster.directory / "alone"
        (self.port, self.read_only_port), self.claim = free_ports(2)
        self.process = None
        self.log = cluster.directory / "alone.log"

    def __enter__(self):
        self.write_files()
        self.give_away()
        self.process = self.start()
        wait_until("the endpoint alone listens", lambda: "listening on port" in self.log_text(), 30,
                   self.log_text)
        return self

    def write_files(self):
        done = self.cluster.nodes[0].evergres("proxy-config", str(self.directory),
                                              "--host", "db.example.org")
        expect(done.returncode == 0, f"proxy-config failed: {done.stderr}")
        self.expect_no_secret_shown(done.stdout + done.stderr)
        config = self.config()
        text = config.read_text().splitlines()
        ports = {"port": self.port, "read_only_port": self.read_only_port}
        config.write_text("".join(
            next((f"  {key}: {value}\n" for key, value in ports.items()
                  if line.strip().startswith(key + ":")), line + "\n") for line in text))

    def config(self):
        return self.directory / "proxy.yaml"

    def expect_no_secret_shown(self, shown):
        for name in ("watch.secret", "auth.password"):
            path = self.directory / name
            expect(path.stat().st_mode & 0o777 == 0o600, f"{name} can be read by others")
            expect(path.read_text().strip() not in shown, f"{name} was printed")

    def give_away(self):
        if os.geteuid() != 0:
            return
        user = pwd.getpwnam(OTHER_USER)
        for root, directories, files in os.walk(self.directory):
            for path in [root, *(os.path.join(root, name) for name in directories + files)]:
                os.chown(path, user.pw_uid, user.pw_gid)

    def start(self):
        """One more process for this configuration."""
        argv = [str(self.cluster.program), "-c", str(self.config()), "proxy"]
        if os.geteuid() == 0:
            argv = ["setpriv", f"--reuid={OTHER_USER}", "--regid=nogroup", "--clear-groups",
                    "--reset-env", "--", *argv]
        with open(self.log, "ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")

    def log_text(self):
        return self.log.read_text(errors="replace")

    def dsn(self):
        """Verified with the authority that was written beside the configuration."""
        return (f"host=127.0.0.1 port={self.port} user=app dbname=app "
                f"password={self.cluster.password} sslmode=verify-full "
                f"sslrootcert={self.directory}/state/tls/ca.crt")

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"\nthe endpoint alone said:\n{self.log_text()[-6000:]}", flush=True)
        self.process.terminate()
        self.process.wait(timeout=30)
        self.claim.close()


class External(Alone):
    """In front of the cluster's PostgreSQL servers as if nobody knew of Evergres: no agent is asked.
    The role `app` looks at them and asks for secrets."""

    def write_files(self):
        self.directory.mkdir(mode=0o700)
        password = self.directory / "auth.password"
        password.touch(mode=0o600)
        password.write_text(self.cluster.password + "\n")
        ports = ",".join(str(node.postgres_port) for node in self.cluster.nodes)
        hosts = ",".join("127.0.0.1" for _ in self.cluster.nodes)
        self.config().write_text(
            "state_directory: state\nrun_directory: run\nproxy:\n"
            f"  external: host={hosts} port={ports} user=app dbname=app sslmode=disable\n"
            "  auth_password_file: auth.password\n  probe_interval: 300ms\n"
            f"  port: {self.port}\n  read_only_port: {self.read_only_port}\n")
