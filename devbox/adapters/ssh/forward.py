"""A local port whose connections come out on the host."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from devbox.adapters.ssh.bridge import Bridge
from devbox.errors import DevboxError

Carry = Callable[[socket.socket, Callable[[Bridge], None]], Bridge]
"""Carries one accepted socket to the target; a `DevboxError` when the host refuses."""
_WAITING = 128


class PortForward:
    """`ports.host.Forward`: listens on 127.0.0.1 until closed; each connection is carried on its own."""

    def __init__(self, carry: Carry, local_port: int = 0) -> None:
        self._carry = carry
        self._bridges: set[Bridge] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._listener = _listen(local_port)
        threading.Thread(target=self._accept, name="devbox-ssh-forward", daemon=True).start()

    @property
    def local(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    def __enter__(self) -> PortForward:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and cut what is under way."""
        with self._lock:
            self._closed = True
            bridges = list(self._bridges)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._listener.close()
        for bridge in bridges:
            bridge.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # Opening a channel takes a round trip: the next caller need not wait for it.
            threading.Thread(target=self._start, args=(sock,), name="devbox-ssh-open", daemon=True).start()

    def _start(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            bridge = self._carry(sock, self._ended)
        except DevboxError:
            sock.close()  # what a refused connection looks like from here
            return
        with self._lock:
            keep = not self._closed and bridge.running
            if keep:
                self._bridges.add(bridge)
        if self._closed:
            bridge.close()

    def _ended(self, bridge: Bridge) -> None:
        with self._lock:
            self._bridges.discard(bridge)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        raise DevboxError(
            f"port {port} of this machine is taken",
            where=f"127.0.0.1:{port}",
            why=error.strerror or str(error),
            next_steps=[f"ss -ltnp 'sport = :{port}'   (who has it)", "choose another port in devbox.yaml"],
        ) from error
    return listener
