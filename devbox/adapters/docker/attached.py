"""A raw connection to a running command: output (in frames without a TTY), input, window, exit code."""

from __future__ import annotations

import calendar
import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from devbox.ports.daemon import Output

_FRAME = 8
_CHUNK = 65536


@dataclass(slots=True)
class Session:
    """`ports.daemon.Attached` over an upgraded connection; `rest` is what was read with the head."""

    sock: socket.socket
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
        self.sock.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        self.on_resize(rows, columns)

    def exit_code(self) -> int:
        return self.on_exit()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
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


def stamped(pieces: Iterable[Output]) -> Iterator[Output]:
    """Log messages (one per frame) with the time before each taken off; it is RFC 3339 with nine digits."""
    for piece in pieces:
        at, _, data = piece.data.partition(b" ")
        yield Output(data, piece.error, _nanoseconds(at.decode("ascii", "replace")))


def _nanoseconds(text: str) -> int:
    """`2026-01-31T10:20:30.123456789Z` since the epoch."""
    whole, _, part = text.rstrip("Z").partition(".")
    day, _, hour = whole.partition("T")
    numbers = [int(number) for number in (*day.split("-"), *hour.split(":"))]
    return calendar.timegm((*numbers, 0, 0, 0)) * 1_000_000_000 + int(part.ljust(9, "0"))


def raw(stream: BinaryIO) -> Iterator[Output]:
    """Output of a container with a TTY: as it comes."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    while data := read(_CHUNK):
        yield Output(data)
