"""A port of the host whose connections come out here (RFC 4254, 7.1)."""

from __future__ import annotations

import contextlib
import socket
import threading

import paramiko
from paramiko.channel import Channel

from devbox.adapters.ssh.bridge import Bridge
from devbox.adapters.ssh.wire import Wire
from devbox.errors import HostError

_BROKEN = (paramiko.SSHException, EOFError, OSError)
_CONNECTING = 10.0


class ReverseForward:
    """Until it is closed, the host's loopback listens on `port` for a port of our loopback."""

    def __init__(self, wire: Wire, where: str, port: int, local_port: int) -> None:
        self._wire, self._port, self._local = wire, port, local_port
        self._bridges: set[Bridge] = set()
        self._lock = threading.Lock()
        try:
            wire.request_port_forward("127.0.0.1", port, self._opened)
        except _BROKEN as error:
            raise HostError(
                f"the host does not listen on its port {port} for us",
                where=where,
                why=f"{error}: the port is taken there, or sshd forbids it (AllowTcpForwarding)",
                next_steps=["devbox trace ui --port 0   (any that is free)"],
            ) from error

    def __enter__(self) -> ReverseForward:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening there, and cut what is under way."""
        with contextlib.suppress(*_BROKEN):
            self._wire.cancel_port_forward("127.0.0.1", self._port)
        with self._lock:
            bridges = list(self._bridges)
        for bridge in bridges:
            bridge.close()

    def _opened(self, channel: Channel, _origin: object, _server: object) -> None:
        # Called by the thread that reads the connection: it must not wait for ours.
        threading.Thread(target=self._carry, args=(channel,), name="devbox-ssh-reverse", daemon=True).start()

    def _carry(self, channel: Channel) -> None:
        try:
            sock = socket.create_connection(("127.0.0.1", self._local), _CONNECTING)
        except OSError:
            channel.close()  # what a refused connection looks like from there
            return
        sock.settimeout(None)
        bridge = Bridge(sock, channel, self._ended)
        with self._lock:
            if bridge.running:
                self._bridges.add(bridge)

    def _ended(self, bridge: Bridge) -> None:
        with self._lock:
            self._bridges.discard(bridge)
