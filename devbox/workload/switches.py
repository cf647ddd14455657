"""What can be changed while the shop runs: the road of each edge, and the faults; in a file that all read."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from devbox.workload.contract import EDGES

_FRESH = 0.02
"""Seconds for which what was read is believed without looking at the file again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is on: its name, the function it strikes, and how hard (the unit is the fault's)."""

    name: str
    at: str
    value: float


@dataclass(frozen=True, slots=True)
class Switches:
    """All switches at one moment."""

    roads: Mapping[str, str] = field(default_factory=lambda: dict(EDGES))
    faults: tuple[Fault, ...] = ()

    def road(self, edge: str) -> str:
        """The road that this edge takes."""
        return self.roads.get(edge) or EDGES[edge]

    def with_fault(self, fault: Fault) -> Switches:
        """The same with a fault on; a fault of the same name at the same place is replaced."""
        return replace(self, faults=(*self.without(fault.name, fault.at).faults, fault))

    def without(self, name: str, at: str = "") -> Switches:
        """The same with a fault off: the one at `at`, or wherever it is on."""
        return replace(self, faults=tuple(f for f in self.faults if f.name != name or (at and f.at != at)))

    def as_data(self) -> dict[str, Any]:
        """The switches as JSON."""
        return {"roads": dict(self.roads), "faults": [asdict(fault) for fault in self.faults]}


class Board:
    """The file of switches. Reading costs a microsecond; a change is seen by all within `_FRESH` seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = Switches()
        self._text = ""
        self._looked = float("-inf")
        self._looking = Lock()

    def read(self) -> Switches:
        """The switches as they are now."""
        if time.monotonic() - self._looked > _FRESH:
            with self._looking:  # who comes while another thread looks must not go by what was known before
                now = time.monotonic()
                if now - self._looked > _FRESH:
                    self._look()
                    self._looked = now
        return self._known

    def _look(self) -> None:
        # Read, not compared by its time: two changes may fall into one tick of the file system's clock.
        try:
            text = self._path.read_text()
        except OSError:
            text = ""
        if text != self._text:
            data = json.loads(text) if text else Switches().as_data()
            self._known = Switches(data["roads"], tuple(Fault(**fault) for fault in data["faults"]))
            self._text = text

    def change(self, how: Callable[[Switches], Switches]) -> Switches:
        """Change the switches; several who change at once do so one after the other."""
        with self._alone(), self._looking:
            self._look()
            changed = how(self._known)
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(changed.as_data()))
            new.replace(self._path)
            self._looked = float("-inf")
        return changed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
