"""Carrying bytes between a local socket and a channel, with half-closes kept half."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from typing import Protocol

import paramiko

_CHUNK = 1 << 16
_BROKEN = (OSError, EOFError, paramiko.SSHException)


class Far(Protocol):
    """The end on the host: a channel, or what behaves like one. `status_event` is set when it is closed."""

    closed: bool
    status_event: threading.Event

    def recv(self, nbytes: int, /) -> bytes: ...

    def sendall(self, s: bytes, /) -> object: ...

    def shutdown_write(self) -> None: ...

    def close(self) -> None: ...


class Bridge:
    """One connection under way: a thread per direction, which end when either side is gone for good."""

    def __init__(self, sock: socket.socket, channel: Far, ended: Callable[[Bridge], None]) -> None:
        self._sock, self._channel, self._ended = sock, channel, ended
        self._lock = threading.Lock()
        self._running = 2
        for work in (self._upwards, self._downwards):
            threading.Thread(target=work, name="devbox-ssh-bridge", daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether a direction is still open."""
        return self._running > 0

    def close(self) -> None:
        """Cut both directions; the threads see it and end."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(*_BROKEN):
            self._channel.close()

    def _upwards(self) -> None:
        try:
            while data := self._sock.recv(_CHUNK):
                self._channel.sendall(data)
            self._channel.shutdown_write()
            # The local side said its last word; it may still listen. Wait until it hung up entirely.
            rest = select.poll()
            rest.register(self._sock, 0)
            rest.poll()
        except _BROKEN:
            pass
        finally:
            self._one_ended()

    def _downwards(self) -> None:
        try:
            while data := self._channel.recv(_CHUNK):
                self._sock.sendall(data)
            if self._channel.closed:
                self.close()
            else:
                self._sock.shutdown(socket.SHUT_WR)
                self._channel.status_event.wait()  # set when the channel is closed
        except _BROKEN:
            pass
        finally:
            self._one_ended()

    def _one_ended(self) -> None:
        self.close()
        with self._lock:
            last = self._running == 1
            if last:
                self._sock.close()
            self._running -= 1
        if last:
            self._ended(self)
