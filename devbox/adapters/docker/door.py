"""The daemon behind a Unix socket of this machine, for programs that look for it there, such as Docker's own.

Whatever leads to the daemon (TLS, TLS inside SSH, SSH alone), they need to know nothing of it. The socket is
in a folder that only this user can enter, and is gone with us.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path

from devbox.adapters.docker.http import Dial
from devbox.errors import DevboxError

_PIECE = 1 << 16
_WAITING = 32


class Door:
    """Listens until it is closed; each connection is carried to a stream of its own."""

    def __init__(self, dial: Dial) -> None:
        """`dial` opens streams that two threads may use at once."""
        self._dial = dial
        self._folder = tempfile.TemporaryDirectory(prefix="devbox-")
        self._lock = threading.Lock()
        self._under_way: set[socket.socket] = set()
        self._closed = False
        self.path = Path(self._folder.name) / "docker.sock"
        self.failure: Exception | None = None
        """Why the daemon was not reached, the last time that it was not."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(_WAITING)
        threading.Thread(target=self._accept, name="devbox-door", daemon=True).start()

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let nobody in any more, and cut what is under way."""
        with self._lock:
            self._closed = True
            under_way = list(self._under_way)
        for sock in (self._listener, *under_way):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), name="devbox-door", daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near:
            try:
                far = self._dial()
            except (DevboxError, OSError) as error:
                self.failure = error
                return
            with far:
                if self._kept(near, far):
                    back = threading.Thread(target=_pump, args=(far, near), name="devbox-door", daemon=True)
                    back.start()
                    _pump(near, far)
                    back.join()
                    with self._lock:
                        self._under_way.difference_update((near, far))

    def _kept(self, *ends: socket.socket) -> bool:
        """From now on `close` cuts them; False when it was called already."""
        with self._lock:
            self._under_way.update(ends)
            return not self._closed


def _pump(source: socket.socket, target: socket.socket) -> None:
    """All that comes, and the end of it: half-closes stay half."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
        return
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
