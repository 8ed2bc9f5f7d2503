"""A small library in front of libc, in every process of a node, obeying a number that a story
changes while they run. The machine itself stays as it is."""

import os
import shutil
import struct
import subprocess

from .waits import expect


class Preload:
    """For a node that is started after this. `source`: C that reads the number at the file named
    by the environment variable EVG_STORY_<NAME>."""

    def __init__(self, node, name, source):
        expect(shutil.which("cc"), "this story compiles a few lines of C, and there is no cc")
        library = node.cluster.directory / f"{name}.so"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", str(library)],
                           input=source, text=True, check=True, cwd="/")
            library.chmod(0o755)
        self.path = node.cluster.directory / f"{name}-of-{node}"
        self.path.write_bytes(bytes(4096))
        self.path.chmod(0o644)
        before = node.environment.get("LD_PRELOAD")
        node.environment |= {"LD_PRELOAD": f"{before}:{library}" if before else str(library),
                             f"EVG_STORY_{name.upper()}": str(self.path)}

    def obey(self, number):
        """At once, in every process of the node."""
        fd = os.open(self.path, os.O_RDWR)
        try:
            os.pwrite(fd, struct.pack("q", number), 0)
        finally:
            os.close(fd)
