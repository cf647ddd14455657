"""The real sftp-server of OpenSSH over pipes: no network, no login, the real protocol."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from pathlib import Path

SERVER = Path("/usr/lib/openssh/sftp-server")


class Pipes:
    """A child process as a byte channel."""

    def __init__(self, *command: str) -> None:
        # What `fill` forbids fails then, and ends nobody.
        words = ("sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *command)
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def fill(self, full: bool) -> None:
        """Let the child find the disk full, or no longer: it can write nothing into any file."""
        limit = 0 if full else resource.RLIM_INFINITY
        with contextlib.suppress(ProcessLookupError):  # it ended already
            hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, hard))

    def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def recv(self, size: int) -> bytes:
        assert self.process.stdout is not None
        return os.read(self.process.stdout.fileno(), size)

    def close(self) -> None:
        """End the child's input, as a closed channel does; its end of the pipe ends the reading thread."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Counted(Pipes):
    """Counts what is sent, and breaks after `limit` bytes."""

    def __init__(self, *command: str, limit: float = float("inf")) -> None:
        super().__init__(*command)
        self.sent, self.limit = 0, limit

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        if self.sent > self.limit:
            assert self.process.stdin is not None
            self.process.stdin.close()  # the child reads its end and goes
            self.process.wait()
            raise OSError("the cable is out")
        super().send(data)


def sftp_server(*options: str) -> Pipes:
    assert SERVER.exists(), "apt-get install openssh-sftp-server"
    return Pipes(str(SERVER), *options)
