"""A live connection to a host: `ports.host.Host`, and raw channels for the other adapters."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import paramiko
from paramiko.channel import Channel

from devbox.adapters.ssh import sudo
from devbox.adapters.ssh.bridge import Bridge
from devbox.adapters.ssh.forward import PortForward
from devbox.adapters.ssh.known_hosts import HostKey
from devbox.adapters.ssh.link import establish
from devbox.adapters.ssh.resolve import resolve
from devbox.adapters.ssh.reverse import ReverseForward
from devbox.adapters.ssh.running import ChannelPipe, Running
from devbox.adapters.ssh.stage import Stage, pack, wants_sudo
from devbox.adapters.ssh.wire import Pending, Wire, direct_streamlocal, direct_tcpip
from devbox.errors import ConnectionLost, HostError
from devbox.ports.ask import Ask, Nobody
from devbox.ports.host import HostAddress, Script, Socket

_OPENING = 30.0
_BROKEN = (paramiko.SSHException, EOFError, OSError)


def connect(name: str, ask: Ask | None = None) -> Connection:
    """Connect to a host by whatever name the user has for it.

    Raises `HostUnreachable`, `HostKeyError` (unknown and nobody said yes, changed, revoked) or `AuthError`.
    """
    asking = ask or Nobody()
    target = resolve(name)
    with contextlib.ExitStack() as under:
        wire = establish(target, asking, under)
        return Connection(target.address, wire, asking, under.pop_all())


class Connection:
    """One SSH connection, shared by whoever needs the host. A broken one stays broken: connect anew."""

    def __init__(self, address: HostAddress, wire: Wire, ask: Ask, under: contextlib.ExitStack) -> None:
        self._address, self._wire, self._ask, self._under = address, wire, ask, under
        self._lock = threading.Lock()
        self._spare: Pending | None = wire.begin_channel("session")
        self._sudo_password: str | None = None
        self.sudo_needs_password = False

    @property
    def address(self) -> HostAddress:
        return self._address

    @property
    def host_key(self) -> HostKey:
        """The key that the host proved to have."""
        key = self._wire.get_remote_server_key()
        return HostKey(key.get_name(), key.asbytes())

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known here."""
        return self._wire.is_active()

    def impatient(self, seconds: float) -> None:
        """Give the host up after so many seconds without a sign of life while one is due (30 otherwise)."""
        self._wire.patience = seconds

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def round_trip(self) -> float:
        """Seconds for one question and its answer on the open connection: the best of three."""
        with self._breaking(str(self._address)):
            times = []
            for _ in range(3):
                started = time.monotonic()
                self._wire.global_request("keepalive@openssh.com", wait=True)
                times.append(time.monotonic() - started)
            return min(times)

    def close(self) -> None:
        """End everything that uses the connection."""
        self._under.close()

    def run(self, script: Script) -> Running:
        """See `ports.host.Host.run`."""
        stage = pack(script)
        if not wants_sudo(script, self._address.user):
            running = self.start(stage, stage.command())
            running.send_stage()
            return running
        return sudo.run(self, stage)

    def start(self, stage: Stage, command: str) -> Running:
        """A session with the stage's command in it, and nothing sent yet."""
        channel = self._session()
        pipe = ChannelPipe(channel)  # listens before anything can arrive
        running = Running(pipe, stage, str(self._address))
        self._request(channel, "exec", command)
        return running

    def sudo_password(self, prompt: str, again: bool) -> str | None:
        """The password for sudo: asked once per connection, and `again` when it was wrong."""
        with self._lock:
            if self._sudo_password is None or again:
                self._sudo_password = self._ask.secret(prompt)
            return self._sudo_password

    def open_exec(self, command: str) -> Channel:
        """A channel on whose other end `command` runs (under the login shell). Refused: it ends at once."""
        channel = self._session()
        self._request(channel, "exec", command)
        return channel

    def open_sftp_channel(self) -> Channel:
        """A channel to the host's SFTP server. Where there is none, it ends at once."""
        channel = self._session()
        self._request(channel, "subsystem", "sftp")
        return channel

    def dial(self, target: Socket) -> socket.socket:
        """A real socket whose other end is `target` as the host sees it; half-closes come through."""
        ours, theirs = socket.socketpair()
        try:
            self._carry(target)(theirs, lambda _bridge: None)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        return ours

    def forward(self, target: Socket, local_port: int = 0) -> PortForward:
        """See `ports.host.Host.forward`."""
        return PortForward(self._carry(target), local_port)

    def receive(self, port: int, local_port: int) -> ReverseForward:
        """Have the host's loopback listen on `port`; connections come out at our loopback's `local_port`."""
        return ReverseForward(self._wire, str(self._address), port, local_port)

    def _carry(self, target: Socket) -> Callable[[socket.socket, Callable[[Bridge], None]], Bridge]:
        def carry(sock: socket.socket, ended: Callable[[Bridge], None]) -> Bridge:
            return Bridge(sock, self._open(target), ended)

        return carry

    def _open(self, target: Socket) -> Channel:
        with self._breaking(f"{self._address} -> {target}"):
            if target.path:
                kind, details = "direct-streamlocal@openssh.com", direct_streamlocal(target.path)
            else:
                kind, details = "direct-tcpip", direct_tcpip(target.host, target.port)
            return self._wire.begin_channel(kind, details).wait(_OPENING)

    def _session(self) -> Channel:
        """A session channel; the next one is asked for ahead, which saves a round trip."""
        with self._breaking(str(self._address)):
            with self._lock:
                pending, self._spare = self._spare, None
            try:
                return (pending or self._wire.begin_channel("session")).wait(_OPENING)
            except paramiko.ChannelException:  # the spare was one too many when it was asked for
                return self._wire.begin_channel("session").wait(_OPENING)

    def _request(self, channel: Channel, kind: str, value: str) -> None:
        with self._breaking(str(self._address)):
            self._wire.send_request(channel, kind, value)
            with self._lock:
                self._spare = self._spare or self._wire.begin_channel("session")

    @contextlib.contextmanager
    def _breaking(self, where: str) -> Iterator[None]:
        try:
            yield
        except paramiko.ChannelException as error:
            raise HostError(
                "the host does not open this channel",
                where=where,
                why=error.text,
                next_steps=["devbox doctor"],
            ) from error
        except _BROKEN as error:
            raise ConnectionLost(
                "the connection broke" if not self.alive else "the host does not answer",
                where=where,
                why=str(error) or "end of stream",
                next_steps=["run the same command again"],
            ) from error
