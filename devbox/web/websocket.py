"""The server's end of a WebSocket (RFC 6455): handshake, frames, ping, close. Text messages only; messages of
the other side are read for what they control and otherwise ignored, for our channels go one way.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import threading
from typing import BinaryIO

from devbox.web.model import Refused, Request

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
LARGEST = 64 << 10
"""Bytes of a message from a page: it has nothing longer to say."""


def accept(request: Request) -> dict[str, str]:
    """The headers of the 101 answer; `Refused` when this is no WebSocket handshake (RFC 6455, 4.2)."""
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    upgrade = headers.get("upgrade", "").lower() == "websocket"
    if not upgrade or "upgrade" not in headers.get("connection", "").lower() or not key:
        raise Refused(426, "this address speaks WebSocket only", Upgrade="websocket")
    if headers.get("sec-websocket-version") != "13":
        raise Refused(426, "WebSocket version 13 is spoken here", **{"Sec-WebSocket-Version": "13"})
    digest = hashlib.sha1((key + _MAGIC).encode(), usedforsecurity=False).digest()
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }


def frame(kind: int, payload: bytes) -> bytes:
    """One unmasked, final frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | kind, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, 127, size)
    return head + payload


class Socket:
    """One connection after the handshake. `send` may be called beside a thread that is in `listen`."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()
        self.closed = False

    def send(self, text: str) -> None:
        """One text message; `OSError` when the other side is gone."""
        self._write(TEXT, text.encode())

    def _write(self, kind: int, payload: bytes) -> None:
        with self._lock:
            self._writer.write(frame(kind, payload))
            self._writer.flush()

    def listen(self) -> None:
        """Answer pings until the other side closes or goes away."""
        try:
            while True:
                kind, payload = self._read()
                if kind == PING:
                    self._write(PONG, payload)
                elif kind == CLOSE:
                    self._write(CLOSE, payload[:2])
                    return
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self.closed = True

    def _read(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        if size > LARGEST or not second & 0x80:  # a client's frames are masked, always (RFC 6455, 5.1)
            raise ValueError("not a frame that a page would send")
        mask = self._exactly(4)
        masked = self._exactly(size)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))

    def _exactly(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise EOFError
        return data
