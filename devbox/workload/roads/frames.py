"""The frames of the hand-written RPC.

A frame is a head of 13 bytes, big-endian, and a body:

    length  4 bytes   of what follows these four bytes
    type    1 byte    CALL, RESULT, FAILURE or CANCEL
    call    8 bytes   chosen by the caller, unique on its connection; the answer carries the same
    body    JSON      CALL: operation, headers, timeout (seconds left), payload; RESULT: the payload;
                      FAILURE: kind and message; CANCEL: nothing

Calls of one connection are answered in any order. A CANCEL asks for nothing: an answer may still come, and is
then ignored.
"""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

from devbox.workload.faults import Calm, Trouble

CALL, RESULT, FAILURE, CANCEL = 1, 2, 3, 4

LIMIT = 1 << 24
"""The longest frame that is accepted, in bytes: a length beyond it is noise, not a frame."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">BQ")


class BrokenLink(Exception):
    """The connection ended, or what arrives on it is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a connection."""

    type: int
    call: int
    body: Any = None

    def encode(self) -> bytes:
        """The frame as it travels."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        return _LENGTH.pack(_HEAD.size + len(body)) + _HEAD.pack(self.type, self.call) + body


class Link:
    """Frames over a connected socket: any thread may send, one thread receives."""

    def __init__(self, connection: socket.socket, trouble: Trouble | None = None) -> None:
        self._trouble = trouble or Calm()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(None)
        self._socket = connection
        self._reader = connection.makefile("rb")
        self._sending = Lock()

    def send(self, frame: Frame) -> None:
        """Send one frame whole; `BrokenLink` when the connection is gone."""
        data = frame.encode()
        try:
            with self._sending:
                if self._trouble.level("delayed-ack", "Link order"):
                    self._stutter(data)
                else:
                    self._socket.sendall(data)
        except OSError as error:
            raise BrokenLink(str(error)) from None

    def _stutter(self, data: bytes) -> None:
        """Send as a careless program does: in small packets, with Nagle's algorithm on. What follows the
        first waits until it is acknowledged, which the other side puts off for 40 ms (RFC 9293, 3.8.6.3)."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        for part in (data[:1], data[1:4], data[4:]):
            self._socket.sendall(part)

    def receive(self) -> Frame:
        """Wait for the next frame; `BrokenLink` when there will be none."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if not _HEAD.size <= length <= LIMIT:
            raise BrokenLink(f"a frame of {length} bytes")
        data = self._exactly(length)
        kind, call = _HEAD.unpack_from(data)
        try:
            body = json.loads(data[_HEAD.size :]) if length > _HEAD.size else None
        except ValueError as error:
            raise BrokenLink(f"a frame that is not JSON: {error}") from None
        return Frame(kind, call, body)

    def _exactly(self, count: int) -> bytes:
        try:
            data = self._reader.read(count)
        except (OSError, ValueError) as error:
            raise BrokenLink(str(error)) from None
        if len(data) < count:
            raise BrokenLink("the other side closed the connection")
        return data

    def end(self) -> None:
        """End the connection, from any thread; the one that receives gets `BrokenLink`, and must `close`."""
        with suppress(OSError):  # it may not be connected any more
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket."""
        self.end()
        self._reader.close()
        self._socket.close()
