"""Following what services say: lines of several containers, interleaved, across restarts."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from devbox.cli.console import Console
from devbox.errors import DevboxError
from devbox.ports.daemon import Container, Daemon, Output
from devbox.ports.events import Event
from devbox.services import model

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
_PAUSE = 1.0


class Printer:
    """Prints whole lines with the service's name before them; usable from several threads."""

    def __init__(self, console: Console, services: Sequence[str], names: bool = True) -> None:
        self.console, self.names = console, names
        self.width = max((len(name) for name in services), default=0)
        self.colours = dict(zip(sorted(services), itertools.cycle(_COLOURS), strict=False))
        self.lock = threading.Lock()

    def line(self, service: str, text: str, error: bool = False) -> None:
        """One line of one service."""
        with self.lock:
            if self.console.as_json:
                data = {"service": service, "line": text, "stream": "stderr" if error else "stdout"}
                self.console.event(Event("logs.line", text, data))
                return
            colour = self.colours.get(service, "dim")
            label = self.console.paint(f"{service:<{self.width}} |", colour) if self.names else ""
            self.console.result(f"{label} {text}" if label else text)

    def pieces(self, service: str, pieces: Iterable[Output]) -> None:
        """Cut a container's output into lines."""
        rest: dict[bool, bytes] = {}
        for piece in pieces:
            *lines, rest[piece.error] = (rest.get(piece.error, b"") + piece.data).split(b"\n")
            for line in lines:
                self.line(service, line.decode(errors="replace").rstrip("\r"), piece.error)
        for error, last in rest.items():
            if last:
                self.line(service, last.decode(errors="replace"), error)


class Follower:
    """Follows the containers that `find` sees, new ones too; a restart does not end it."""

    def __init__(self, daemon: Daemon, find: Callable[[], Iterable[Container]], printer: Printer) -> None:
        self.daemon, self.find, self.printer = daemon, find, printer
        self._since: dict[str, str] = {}
        self._busy: set[str] = set()

    def run(self, stop: threading.Event, tail: int) -> None:
        """Follow until `stop`; `tail` lines of the past come first."""
        while not stop.is_set():
            with contextlib.suppress(DevboxError):
                for container in self.find():
                    if container.running and container.id not in self._busy:
                        self._busy.add(container.id)
                        work = (container, stop, tail)
                        threading.Thread(target=self._one, args=work, name="devbox-logs", daemon=True).start()
            stop.wait(_PAUSE)

    def _one(self, container: Container, stop: threading.Event, tail: int) -> None:
        since = self._since.get(container.id, "")
        name = model.service_of(container)
        try:
            past = None if since else tail
            with self.daemon.logs(container.id, follow=True, tail=past, since=since) as pieces:
                self.printer.pieces(name, pieces)
        except DevboxError as error:
            if not stop.is_set():
                self.printer.line(name, f"(logs: {error})", error=True)
        finally:
            # It ended by itself: when it comes back it is followed from here on.
            self._since[container.id] = f"{time.time():.6f}"
            self._busy.discard(container.id)
