"""A TLS stream as a plain socket, for connections that one thread reads while another writes.

Python's TLS sockets must not be used by two threads at once (before 3.13 that ends the process), and their
`unwrap` reads while it says that no more comes, which can swallow the other side's last words (each side may
end its direction alone: RFC 8446, section 6.1). So the records are made here (`ssl.MemoryBIO`), under a lock,
and the two directions are carried by a thread each.
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
import threading
from collections.abc import Callable

_PIECE = 1 << 16


def carried(raw: socket.socket, context: ssl.SSLContext, hostname: str) -> socket.socket:
    """Shake hands over `raw`, and return a socket whose bytes travel inside TLS; half-closes come through.

    Raises `ssl.SSLError` or `OSError` when the handshake fails.
    """
    ours, theirs = socket.socketpair()
    try:
        tunnel = _Tunnel(raw, context, hostname)
        tunnel.shake_hands()
        tunnel.start(theirs)
    except BaseException:
        for one in (raw, ours, theirs):
            one.close()
        raise
    return ours


class _Tunnel:
    def __init__(self, raw: socket.socket, context: ssl.SSLContext, hostname: str) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._records = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._lock = threading.Lock()

    def shake_hands(self) -> None:
        """Blocks; nothing else may use the connection before it returns."""
        while True:
            try:
                self._records.do_handshake()
            except ssl.SSLWantReadError:
                self._raw.sendall(self._outgoing.read())
                data = self._raw.recv(_PIECE)
                if not data:
                    raise ConnectionResetError("the connection ended during the TLS handshake") from None
                self._incoming.write(data)
                continue
            self._raw.sendall(self._outgoing.read())
            return

    def start(self, plain: socket.socket) -> None:
        """Carry both directions until one side is gone."""

        def finish() -> None:
            plain.close()
            self._raw.close()

        ended = threading.Barrier(2, action=finish)
        for carry in (self._out, self._in):
            work = (carry, plain, ended)
            threading.Thread(target=_until_ended, args=work, name="devbox-tls", daemon=True).start()

    def _out(self, plain: socket.socket) -> None:
        """From the plain side into TLS. Its half-close becomes close_notify, its close ends everything."""
        try:
            while data := plain.recv(_PIECE):
                self._send(functools.partial(self._records.write, data))
            if not _gone(plain, 0):
                self._send(self._records.unwrap)
                _gone(plain, None)
        finally:
            with contextlib.suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)

    def _send(self, make: Callable[[], object]) -> None:
        """Only one thread sends, and never while it holds the lock: the other must be able to read on."""
        with self._lock:
            # After an unwrap the other side's close_notify is still to come: that is no error.
            with contextlib.suppress(ssl.SSLError):
                make()
            data = self._outgoing.read()
        self._raw.sendall(data)

    def _in(self, plain: socket.socket) -> None:
        """Out of TLS to the plain side, until the other side ends: close_notify, or the connection."""
        try:
            ended = False
            while not ended and (data := self._raw.recv(_PIECE)):
                pieces, ended = self._decrypted(data)
                for piece in pieces:
                    plain.sendall(piece)
        finally:
            with contextlib.suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)

    def _decrypted(self, data: bytes) -> tuple[list[bytes], bool]:
        """What was in it, and whether that was all; in one step, so that `unwrap` finds nothing unread."""
        pieces: list[bytes] = []
        with self._lock:
            self._incoming.write(data)
            try:
                while piece := self._records.read(_PIECE):
                    pieces.append(piece)
            except ssl.SSLWantReadError:
                return pieces, False
            except ssl.SSLError:
                return pieces, True
        return pieces, True


def _until_ended(
    carry: Callable[[socket.socket], None], plain: socket.socket, ended: threading.Barrier
) -> None:
    with contextlib.suppress(OSError):
        carry(plain)
    with contextlib.suppress(threading.BrokenBarrierError):
        ended.wait()


def _gone(plain: socket.socket, patience: float | None) -> bool:
    """Whether the plain side is closed altogether, not only for writing; `None` waits until it is."""
    poll = select.poll()
    poll.register(plain, 0)
    return bool(poll.poll(patience))
