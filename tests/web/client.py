"""The other end of a WebSocket (RFC 6455), as browsers speak it: to test servers and to drive Chromium."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit


class WebSocket:
    """A client's connection; text messages whole."""

    def __init__(self, url: str, **headers: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        self.link = socket.create_connection((parts.hostname, parts.port), timeout=30)
        self._file = self.link.makefile("rb")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        given = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "keep-alive, Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **headers,
        }
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        self.link.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode():
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def send(self, payload: bytes, kind: int = 0x1) -> None:
        """One masked frame."""
        size = len(payload)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += struct.pack("!BH", 0x80 | 126, size)
        else:
            head += struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        self.link.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def receive(self) -> tuple[int, bytes]:
        """The next message; fragments put together."""
        whole = b""
        first_kind = 0
        while True:
            first, second = self._file.read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", self._file.read(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._file.read(8))
            first_kind = first_kind or first & 0x0F
            whole += self._file.read(size)
            if first & 0x80:
                return first_kind, whole

    def close(self) -> None:
        self._file.close()
        self.link.close()


@contextlib.contextmanager
def connected(url: str, **headers: str) -> Iterator[WebSocket]:
    """A connection for a `with` block."""
    link = WebSocket(url, **headers)
    try:
        yield link
    finally:
        link.close()
