"""Forwarding the services' ports to this machine, through broken links and new containers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from devbox.config.model import Config
from devbox.errors import ConnectionLost, DevboxError
from devbox.ports.daemon import Container, Daemon
from devbox.ports.events import Emit, Event
from devbox.ports.host import Forward, Host, Socket
from devbox.services import model
from devbox.services.forwarded import StateFile

_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
_TRIES = 50
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A container's port, where the host has it now, and the local port that is liked best."""

    service: str
    container_port: int
    target: Socket
    local: int

    @property
    def key(self) -> tuple[str, int]:
        """What stays the same when the container is made anew."""
        return (self.service, self.container_port)


def wishes(containers: Iterable[Container]) -> list[Wish]:
    """What there is to forward: the published ports of running containers, by the labels `up` gave them."""
    found = []
    for container in containers:
        liked = container.labels.get(model.LOCAL_PORTS, "")
        if not container.running or not liked:
            continue
        published = {port.container: port.host for port in container.ports if port.host}
        for pair in liked.split(","):
            local, inner = (int(part) for part in pair.split(":"))
            if inner in published:
                target = Socket("127.0.0.1", published[inner])
                found.append(Wish(model.service_of(container), inner, target, local))
    return found


class Forwarder:
    """Keeps one local port per published port, whatever happens to containers and connection."""

    def __init__(self, config: Config, connect: Connect, state: StateFile, emit: Emit) -> None:
        self.config, self.connect, self.state, self.emit = config, connect, state, emit
        self.chosen: dict[tuple[str, int], int] = {}
        self._open: dict[tuple[str, int], tuple[Socket, ExitStack]] = {}

    def run(self, stop: threading.Event) -> None:
        """Forward until told to stop; a lost connection is made again, with growing pauses."""
        attempt = 0
        while not stop.is_set():
            try:
                with self.connect() as (host, daemon):
                    attempt = 0
                    self._follow(host, daemon, stop)
            except DevboxError as error:
                pause = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
                attempt += 1
                self.emit(Event("forward.lost", f"{error}; again in {pause:g} s", {"error": str(error)}))
                stop.wait(pause)
            finally:
                self._close_all()

    def _follow(self, host: Host, daemon: Daemon, stop: threading.Event) -> None:
        labels = self.config.labels(host.address.user)
        while not stop.is_set():
            self._apply(host, wishes(daemon.containers(labels)))
            stop.wait(_TICK)

    def _apply(self, host: Host, want: list[Wish]) -> None:
        """Open what is new or has moved, close what is gone; say it when the addresses changed."""
        current = {key: target for key, (target, _) in self._open.items()}
        wanted = {wish.key: wish.target for wish in want}
        if current == wanted and self.state.written:
            return
        for key in [key for key, target in current.items() if wanted.get(key) != target]:
            self._open.pop(key)[1].close()
        for wish in want:
            if wish.key not in self._open:
                self._begin(host, wish)
        self.state.write(self.addresses(), connected=True)

    def _begin(self, host: Host, wish: Wish) -> None:
        stack = ExitStack()
        forward = _first_free(host, wish.target, self.chosen.get(wish.key, wish.local), stack)
        port = forward.local[1]
        if port != wish.local and wish.key not in self.chosen:
            text = f"{wish.service}: port {wish.local} is taken here, {port} is used instead"
            self.emit(Event("forward.moved", text, {"service": wish.service, "port": port}))
        self.chosen[wish.key] = port
        self._open[wish.key] = (wish.target, stack)
        data = {"service": wish.service, "address": _address(port), "target": str(wish.target)}
        self.emit(Event("forward.open", f"{wish.service}: {_address(port)}", data))

    def addresses(self) -> dict[str, list[str]]:
        """Where the services answer here."""
        found: dict[str, list[str]] = {}
        for service, inner in sorted(self._open):
            found.setdefault(service, []).append(_address(self.chosen[(service, inner)]))
        return found

    def _close_all(self) -> None:
        for _, stack in self._open.values():
            stack.close()
        self._open.clear()
        with contextlib.suppress(OSError):
            self.state.write({}, connected=False)


Connect = Callable[[], AbstractContextManager[tuple[Host, Daemon]]]


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _first_free(host: Host, target: Socket, liked: int, stack: ExitStack) -> Forward:
    """The liked local port, else the next free one, else any."""
    for port in _candidates(liked):
        try:
            return stack.enter_context(host.forward(target, port))
        except DevboxError as error:  # taken: by another program of this machine, or another project
            if isinstance(error, ConnectionLost) or port == 0:
                raise
    raise AssertionError("port 0 is always the last candidate")


def _candidates(liked: int) -> Iterator[int]:
    yield from range(max(liked, 1), min(liked + _TRIES, 65536))
    yield 0
