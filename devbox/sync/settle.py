"""Which changed paths are quiet enough to be looked at: a file is not sent while it is being written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from devbox.ports.watcher import Changes

QUIET = 0.1
"""Seconds without another write after which an open file is looked at."""
LONGEST = 1.0
"""Seconds after which a file that is written all the time is looked at anyway."""
LATER = (1.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds until a path is tried again that could not be brought over; the last for all tries that follow."""


@dataclass(slots=True)
class Settling:
    """Times are those of a monotonic clock, in seconds."""

    _ready: set[bytes] = field(default_factory=set)
    _subtrees: set[bytes] = field(default_factory=set)
    _open: dict[bytes, tuple[float, float]] = field(default_factory=dict)
    """Path -> when to look, and when at the latest."""
    _tries: dict[bytes, int] = field(default_factory=dict)
    """How often a path was put off since it was saved last."""

    def add(self, changes: Changes, now: float) -> None:
        """Take in what the watcher saw."""
        self._ready |= changes.ready
        self._subtrees |= changes.subtrees
        for path in changes.ready:
            self._open.pop(path, None)
            self._tries.pop(path, None)
        for path in changes.open - changes.ready:
            latest = self._open[path][1] if path in self._open else now + LONGEST
            self._open[path] = (min(now + QUIET, latest), latest)

    def later(self, paths: Iterable[bytes], now: float) -> None:
        """These could not be brought over: look at them again in a while, every time a longer one."""
        for path in paths:
            tries = self._tries.get(path, 0)
            due = now + LATER[min(tries, len(LATER) - 1)]
            self._open[path], self._tries[path] = (due, due), tries + 1

    def done(self, paths: Iterable[bytes]) -> None:
        """These are over there now."""
        for path in paths:
            self._tries.pop(path, None)

    def take(self, now: float, everything: bool = False) -> tuple[set[bytes], set[bytes]]:
        """Paths and subtrees to look at now; they are forgotten here."""
        if everything:
            self._tries.clear()  # who asks for all wants it soon
        due = {path for path, (when, _latest) in self._open.items() if everything or when <= now}
        for path in due:
            del self._open[path]
        paths, subtrees = self._ready | due, self._subtrees
        self._ready, self._subtrees = set(), set()
        return paths, subtrees

    def due_in(self, now: float, longest: float) -> float:
        """Seconds until something is due, at most `longest`."""
        if self._ready or self._subtrees:
            return 0.0
        return max(0.0, min([longest, *(when - now for when, _latest in self._open.values())]))

    def clear(self) -> None:
        """Forget everything: the whole tree is looked at."""
        self._ready, self._subtrees, self._open, self._tries = set(), set(), {}, {}
