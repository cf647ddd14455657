"""`ports.host.Host` for the machine that devbox itself runs on: the same staged scripts, without SSH."""

from __future__ import annotations

import contextlib
import getpass
import os
import queue
import socket
import subprocess
import threading
from collections.abc import Callable
from typing import IO

from devbox.adapters.ssh import sudo
from devbox.adapters.ssh.bridge import Bridge
from devbox.adapters.ssh.forward import PortForward
from devbox.adapters.ssh.running import Running
from devbox.adapters.ssh.stage import Stage, pack, wants_sudo
from devbox.errors import HostError
from devbox.ports.ask import Ask
from devbox.ports.host import HostAddress, Script, Socket, Stream

_PIECE = 1 << 16


class ProcessPipe:
    """The streams of a process of this machine, in a session of its own: ^C here is not ^C there."""

    alive = True

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=os.path.expanduser("~"),
        )
        self._arrivals: queue.SimpleQueue[tuple[Stream, bytes]] = queue.SimpleQueue()
        for stream, pipe in ((Stream.OUT, self._process.stdout), (Stream.ERR, self._process.stderr)):
            assert pipe is not None
            threading.Thread(target=self._listen, args=(stream, pipe), daemon=True).start()

    def _listen(self, stream: Stream, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), _PIECE):
                self._arrivals.put((stream, data))
        self._arrivals.put((stream, b""))

    def take(self) -> tuple[Stream, bytes]:
        return self._arrivals.get()

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def end_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def close(self) -> None:
        """The end of its standard input is what ends the stage."""
        self.end_input()
        threading.Thread(target=self._process.wait, daemon=True).start()


class LocalHost:
    """This machine. Root is reached as on any other: directly, or through sudo."""

    alive = True

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._password: str | None = None
        self.sudo_needs_password = False

    @property
    def address(self) -> HostAddress:
        return HostAddress("localhost", getpass.getuser(), socket.gethostname())

    def run(self, script: Script) -> Running:
        """See `ports.host.Host.run`."""
        stage = pack(script)
        if wants_sudo(script, self.address.user):
            return sudo.run(self, stage)
        running = self.start(stage, stage.command())
        running.send_stage()
        return running

    def start(self, stage: Stage, command: str) -> Running:
        """A process for the stage, and nothing sent yet."""
        return Running(ProcessPipe(command), stage, str(self.address))

    def sudo_password(self, prompt: str, again: bool) -> str | None:
        """The password for sudo: asked once, and `again` when it was wrong."""
        if self._password is None or again:
            self._password = self._ask.secret(prompt)
        return self._password

    def forward(self, target: Socket, local_port: int = 0) -> PortForward:
        """See `ports.host.Host.forward`."""

        def carry(sock: socket.socket, ended: Callable[[Bridge], None]) -> Bridge:
            return Bridge(sock, _Far(target), ended)

        return PortForward(carry, local_port)

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> LocalHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Far:
    """A connection to the target, with the manners of a channel: see `bridge.Far`."""

    def __init__(self, target: Socket) -> None:
        self.closed = False
        self.status_event = threading.Event()
        self._sock = socket.socket(socket.AF_UNIX) if target.path else socket.socket()
        try:
            self._sock.connect(target.path or (target.host, target.port))
        except OSError as error:
            self._sock.close()
            raise HostError("nothing answers there", where=str(target), why=error.strerror or "") from error

    def recv(self, nbytes: int, /) -> bytes:
        return self._sock.recv(nbytes)

    def sendall(self, s: bytes, /) -> None:
        self._sock.sendall(s)

    def shutdown_write(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self.status_event.set()
