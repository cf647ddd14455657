"""A small honest Host: scripts run under the local /bin/sh in a HOME of their own, staged like real ones."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from devbox.errors import AuthError
from devbox.ports.host import Finished, HostAddress, Line, Privilege, Progress, Script, Socket, Stream

_GRACE = 0.5
"""Seconds in which output may still arrive after the script itself has ended."""


class FakeRunning:
    """A local script under way."""

    def __init__(self, script: Script, home: Path) -> None:
        self._stage = Path(tempfile.mkdtemp(prefix="stage.", dir=home))
        self._put("script", script.text.encode())
        (self._stage / "files").mkdir(mode=0o700)
        for name, data in script.files.items():
            self._put(f"files/{name}", data)
        self._process = subprocess.Popen(
            ["/bin/sh", str(self._stage / "script")],
            cwd=home,
            env={**os.environ, "HOME": str(home), "DEVBOX_STAGE": str(self._stage / "files")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._said: queue.SimpleQueue[Line] = queue.SimpleQueue()
        self._over = False
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._listeners = [
            threading.Thread(target=self._listen, args=pair, daemon=True)
            for pair in ((Stream.OUT, self._process.stdout), (Stream.ERR, self._process.stderr))
        ]
        for listener in self._listeners:
            listener.start()

    def _put(self, name: str, data: bytes) -> None:
        path = self._stage / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(data)

    def _listen(self, stream: Stream, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._said.put(Line(stream, line.decode(errors="replace").removesuffix("\n")))

    def __iter__(self) -> FakeRunning:
        return self

    def __next__(self) -> Progress:
        if self._over:
            raise StopIteration
        while True:
            with contextlib.suppress(queue.Empty):
                return self._said.get(timeout=0.02)
            if self._process.poll() is not None:
                for listener in self._listeners:
                    listener.join(_GRACE)  # whatever outlives the script may hold its pipes
                if self._said.empty():
                    break
        self.close()
        code = self._process.returncode
        return Finished(code if code >= 0 else 128 - code)

    def close(self) -> None:
        self._over = True
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
        shutil.rmtree(self._stage, ignore_errors=True)


class FakeForward:
    """A forward on one machine: accepts, connects, carries both ways."""

    def __init__(self, target: Socket, local_port: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", local_port))
        self._under_way: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def local(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def close(self) -> None:
        for sock in [self._listener, *self._under_way]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = self._connect()
                except OSError:
                    near.close()
                    continue
                self._under_way += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._target.path:
            return socket.create_connection((self._target.host, self._target.port))
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(self._target.path)
        except OSError:
            sock.close()
            raise
        return sock


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class FakeHost:
    """`root` says whether this host lets its user be root."""

    def __init__(self, home: Path, root: bool = True) -> None:
        self._home, self._root = home, root

    @property
    def address(self) -> HostAddress:
        return HostAddress("fake", "dev", "fake.invalid")

    def run(self, script: Script) -> FakeRunning:
        if script.privilege is Privilege.ROOT and not self._root:
            raise AuthError("sudo does not let dev be root", where="dev@fake.invalid")
        return FakeRunning(script, self._home)

    @contextlib.contextmanager
    def forward(self, target: Socket, local_port: int = 0) -> Iterator[FakeForward]:
        forward = FakeForward(target, local_port)
        try:
            yield forward
        finally:
            forward.close()

    def close(self) -> None:
        """Nothing is held."""
