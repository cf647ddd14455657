"""Following what services say and how they are: across restarts, new containers and lost connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from devbox.errors import DevboxError
from devbox.ports.daemon import Container, Daemon, Output
from devbox.ports.events import Emit, Event
from devbox.services.analyse import changes
from devbox.services.model import service_of
from devbox.services.running import Services

_LOOK = 1.0
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)

Connect = Callable[[], AbstractContextManager[Services]]


class Say(Protocol):
    """What takes one line of a service."""

    def __call__(self, service: str, text: str, error: bool = False) -> None: ...


class Lines:
    """Cuts what one container writes into lines."""

    def __init__(self, service: str, say: Say) -> None:
        self.service, self.say = service, say
        self._rest: dict[bool, bytes] = {}

    def take(self, piece: Output) -> None:
        """A piece of output, ending wherever it does."""
        *lines, rest = (self._rest.get(piece.error, b"") + piece.data).split(b"\n")
        self._rest[piece.error] = rest
        for line in lines:
            self.say(self.service, line.decode(errors="replace").rstrip("\r"), piece.error)

    def end(self) -> None:
        """Say what came without a newline at its end."""
        for error, rest in self._rest.items():
            if rest:
                self.say(self.service, rest.decode(errors="replace"), error)
        self._rest.clear()


class Follower:
    """Every line once, in order: after a break it asks for what the host wrote since the last one.

    `services` is the connection that works now, None while there is none.
    """

    def __init__(self, connect: Connect, names: Sequence[str], say: Say, emit: Emit) -> None:
        self.connect, self.names, self.say, self.emit = connect, names, say, emit
        self.services: Services | None = None
        self._since: dict[str, int] = {}
        self._seen: Sequence[Container] | None = None
        self._busy: set[str] = set()

    def run(self, stop: threading.Event, past: Mapping[str, int]) -> None:
        """Follow until `stop`. `past` is how many old lines of a service come first; all of those not named,
        and of containers that appear later."""
        attempt = 0
        while not stop.is_set():
            try:
                with self.connect() as services:
                    if attempt:
                        self.emit(Event("follow.back", "the connection is back"))
                    attempt = 0
                    self._look(services, stop, past)
            except DevboxError as error:
                if not attempt:
                    self.emit(Event("follow.lost", f"{error}; trying again", {"error": str(error)}))
                stop.wait(_BACKOFF[min(attempt, len(_BACKOFF) - 1)])
                attempt += 1

    def _look(self, services: Services, stop: threading.Event, past: Mapping[str, int]) -> None:
        self.services, busy = services, set[str]()
        self._busy = busy  # threads of an earlier connection talk to their own set, and to nobody
        try:
            while not stop.is_set():
                found = services.containers(self.names)
                for event in [] if self._seen is None else changes(self._seen, found):
                    self.emit(event)
                self._begin(services, found, past if self._seen is None else {})
                self._seen = found
                stop.wait(_LOOK)
        finally:
            self.services, self._busy = None, set()

    def _begin(self, services: Services, found: Iterable[Container], past: Mapping[str, int]) -> None:
        for container in found:
            if container.id in self._busy or not (container.running or container.id not in self._since):
                continue
            self._busy.add(container.id)
            tail = None if container.id in self._since else past.get(service_of(container))
            work = (services, container, tail, self._busy)
            threading.Thread(target=self._one, args=work, name="devbox-logs", daemon=True).start()

    def _one(self, services: Services, container: Container, tail: int | None, busy: set[str]) -> None:
        lines = Lines(service_of(container), self.say)
        try:
            if tail == 0:
                self._since[container.id] = _end(services.daemon, container)
            since = self._since.setdefault(container.id, 0)
            past = None if since else tail or None
            with services.daemon.logs(container.id, follow=True, tail=past, since=since) as pieces:
                for piece in pieces:
                    if self._busy is not busy:
                        return
                    self._since[container.id] = max(self._since[container.id], piece.at + 1)
                    lines.take(piece)
        except DevboxError:
            return  # the look at the containers meets the same trouble, and says it
        finally:
            lines.end()
            busy.discard(container.id)


def _end(daemon: Daemon, container: Container) -> int:
    """The moment after the last line so far, by the host's clock."""
    with daemon.logs(container.id, tail=1) as pieces:
        return max((piece.at + 1 for piece in pieces), default=0)
