"""What services say, as it is shown: their lines, each with its service's name and colour."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

from devbox.cli.console import Console
from devbox.ports.events import Event

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")


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

    def event(self, event: Event) -> None:
        """What happened to a service, apart from what it says."""
        with self.lock:
            if self.console.as_json:
                self.console.event(event)
                return
            service = str(event.data.get("service", ""))
            label = self.console.paint(f"{service:<{self.width}} *", self.colours.get(service, "dim"))
            text = event.text.removeprefix(f"{service}: ")
            self.console.say(f"{label} {text}" if service else text)
