"""Saves that come while a large file is on its way go beside it, on a channel of their own.

Everything happens on the watching thread: between two pieces of the large file it looks what was saved, and
brings that over before the next piece. What has to do with the paths that are under way waits for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from devbox.ports.tree import Move
from devbox.ports.watcher import Changes, Watcher
from devbox.sync.ignore import RULE_FILES
from devbox.sync.link import Link
from devbox.sync.model import Plan, Report, above
from devbox.sync.rounds import Rounds
from devbox.sync.settle import Settling

PIECE = 32 * 1024
"""Bytes that leave at once from which on it is worth looking around: pieces of large files are no smaller."""


@dataclass(slots=True)
class Beside:
    """What is done between the pieces of one round's files."""

    link: Link
    rounds: Rounds
    watcher: Watcher
    settling: Settling
    report: Callable[[Report], None]
    """Told what was done."""
    _under_way: frozenset[bytes] = frozenset()
    _waiting: Changes = field(default_factory=Changes)
    """What was seen meanwhile and has to wait."""
    _busy: bool = False
    _looked: bool = False

    @contextmanager
    def round(self, plan: Plan) -> Iterator[None]:
        """The time in which this plan is carried out."""
        targets = {one.target for one in plan.operations if isinstance(one, Move)}
        self._under_way = frozenset({one.path for one in plan.operations} | targets)
        try:
            yield
        finally:
            self._under_way = frozenset()

    def between(self, count: int) -> None:
        """So many bytes just left; none: time has passed."""
        if 0 < count < PIECE or self._busy or not self._under_way:
            return
        changes, self._looked = self.watcher.wait(0), True
        if changes:
            self._busy = True
            try:
                self._follow(changes)
            finally:
                self._busy = False

    def patience(self, longest: float) -> float:
        """How long the watcher may be waited for: not at all where looking around may have used up a wake."""
        looked, self._looked = self._looked, False
        return 0.0 if looked else longest

    def take(self) -> Changes:
        """What waited; it is the caller's from now on."""
        waiting, self._waiting = self._waiting, Changes()
        return waiting

    def _follow(self, changes: Changes) -> None:
        now = {path for path in changes.ready if self._apart(path)}
        self._waiting = self._waiting.merged(replace(changes, ready=changes.ready - now))
        if not now or changes.subtrees:
            self._waiting = self._waiting.merged(Changes(frozenset(now)))
            return
        tree, report = self.link.second(), Report(problems=self.rounds.problems)
        view, plan = self.rounds.part(tree, now, ())
        doubtful = self.rounds.apply(tree, view, plan, report)
        self.settling.later(doubtful, time.monotonic())
        self.report(report)

    def _apart(self, path: bytes) -> bool:
        """Whether it has nothing to do with what is under way, nor with the rules of what is ignored."""
        if path.rpartition(b"/")[2] in RULE_FILES or path in self._under_way:
            return False
        renamed = {new for _old, new in self._waiting.moves}  # a folder made there would be in their way
        if not renamed.isdisjoint((path, *above(path))):
            return False
        return self._under_way.isdisjoint(above(path)) and not _holds(path, self._under_way)


def _holds(folder: bytes, paths: Collection[bytes]) -> bool:
    return any(path.startswith(folder + b"/") for path in paths)
