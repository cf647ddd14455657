"""A raw connection to a running command: output (in frames without a TTY), input, window, exit code."""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from devbox.ports.daemon import Output

_FRAME = 8
_CHUNK = 65536
_LOOK_AGAIN = 1.0
_T = TypeVar("_T")


class Duplex:
    """A stream that one thread reads while another writes.

    Python's TLS sockets must not be used by two threads at once (before 3.13 that ends the process), so every
    operation holds a lock, none of them waits while it does, and waiting is done on the descriptor.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        sock.settimeout(0.0)

    def recv(self, size: int) -> bytes:
        """What has come, at least one byte; b"" at the end."""
        return self._until(lambda: self._sock.recv(size), writes=False)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        view = memoryview(data)
        while view:
            view = view[self._until(functools.partial(self._sock.send, view), writes=True) :]

    def end_input(self) -> None:
        """Say that no more input comes. TLS says it with close_notify, which Python sends in `unwrap`."""
        with self._lock, contextlib.suppress(OSError):
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock.unwrap()  # wants the other side's answer, which comes with its last output
            else:
                self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End both directions."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sock.close()

    def _until(self, attempt: Callable[[], _T], *, writes: bool) -> _T:
        while True:
            try:
                with self._lock:
                    return attempt()
            except ssl.SSLWantReadError:
                for_writing = False
            except ssl.SSLWantWriteError:
                for_writing = True
            except BlockingIOError:
                for_writing = writes
            descriptor = self._sock.fileno()
            if descriptor < 0:
                return attempt()  # closed meanwhile: says so
            waiting = ([], [descriptor]) if for_writing else ([descriptor], [])
            select.select(*waiting, [], _LOOK_AGAIN)


@dataclass(slots=True)
class Session:
    """`ports.daemon.Attached` over an upgraded connection; `rest` is what was read with the head."""

    sock: Duplex
    rest: bytes
    tty: bool
    on_resize: Callable[[int, int], None]
    on_exit: Callable[[], int]

    def output(self) -> Iterator[Output]:
        """What it writes, until it ends or the connection does."""
        with contextlib.suppress(OSError):
            yield from self._raw() if self.tty else self._frames()

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def end_input(self) -> None:
        self.sock.end_input()

    def resize(self, rows: int, columns: int) -> None:
        self.on_resize(rows, columns)

    def exit_code(self) -> int:
        return self.on_exit()

    def close(self) -> None:
        self.sock.close()

    def _raw(self) -> Iterator[Output]:
        data, self.rest = self.rest, b""
        while True:
            if data:
                yield Output(data)
            data = self.sock.recv(_CHUNK)
            if not data:
                return

    def _frames(self) -> Iterator[Output]:
        while head := self._exactly(_FRAME):
            data = self._exactly(int.from_bytes(head[4:], "big"))
            yield Output(data, error=head[0] == 2)

    def _exactly(self, size: int) -> bytes:
        while len(self.rest) < size:
            more = self.sock.recv(_CHUNK)
            if not more:
                return b""
            self.rest += more
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


def frames(stream: BinaryIO) -> Iterator[Output]:
    """Multiplexed output out of a response: 8 bytes of head (stream, length), then the data."""
    while len(head := stream.read(_FRAME)) == _FRAME:
        yield Output(stream.read(int.from_bytes(head[4:], "big")), error=head[0] == 2)


def raw(stream: BinaryIO) -> Iterator[Output]:
    """Output of a container with a TTY: as it comes."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    while data := read(_CHUNK):
        yield Output(data)
