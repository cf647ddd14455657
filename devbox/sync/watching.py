"""Following every save: hints of the watcher in, rounds out, and a link that is mended when it breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from devbox.errors import ConnectionLost, DevboxError, HostUnreachable, RootRefused
from devbox.ports.events import Emit, Event
from devbox.ports.watcher import Changes, Watcher
from devbox.sync.beside import Beside
from devbox.sync.ignore import RULE_FILES
from devbox.sync.link import Link
from devbox.sync.model import Plan, Report, printable
from devbox.sync.outcomes import TOO_MANY_TO_SAY
from devbox.sync.rounds import Rounds
from devbox.sync.settle import Settling
from devbox.sync.state import Flush, Requests, State

BACKOFF = (0.1, 0.3, 1.0, 2.0, 5.0)
"""Seconds between two tries to connect again; the last for all that follow."""
PATIENCE = 6
"""How often a path that keeps changing, or fails, is tried within one run."""
_IDLE = 5.0
"""Seconds between two looks at the link while nothing happens."""


class Watched(Protocol):
    """What the watch asks of its session."""

    link: Link
    rounds: Rounds
    state: State
    requests: Requests

    def catch_up(self, report: Report) -> Report:
        """Bring everything up to date."""
        ...

    def word(self) -> str:
        """How things stand, when nothing is under way."""
        ...

    def status(self) -> dict[str, object]: ...


@dataclass(slots=True)
class Watching:
    """One watch of one session, until `stop` is set and the watcher is woken."""

    session: Watched
    watcher: Watcher
    emit: Emit
    stop: threading.Event
    ready: Callable[[Report], str]
    """Says in one line how the catching up went."""
    settling: Settling = field(default_factory=Settling)
    beside: Beside = field(init=False)
    _unmeasured: bool = field(default=False, init=False)
    """Whether the link is new, and its round trip still to be measured."""

    def __post_init__(self) -> None:
        session = self.session
        self.beside = Beside(session.link, session.rounds, self.watcher, self.settling, self._count)

    def run(self) -> None:
        self.session.rounds.between = self.beside.between
        self._online()
        while not self.stop.is_set():
            self._tick()

    def _tick(self) -> None:
        longest = self.beside.patience(self.settling.due_in(time.monotonic(), _IDLE))
        if self._unmeasured:
            self._unmeasured, longest = False, 0
        changes = self.watcher.wait(longest).merged(self.beside.take())
        flushes = self.session.requests.take()
        if flushes:
            changes = changes.merged(self.watcher.wait(0))
        self._take_rules(changes)
        self.settling.add(changes, time.monotonic())
        paths, subtrees = self.settling.take(time.monotonic(), everything=bool(flushes))
        try:
            paths |= self._move(changes)
            self._follow(paths, subtrees, quiet=not changes)
        except (ConnectionLost, HostUnreachable, RootRefused) as lost:
            self._offline(lost)
            self._online()
        for request in flushes:
            self._answer(request)

    def _answer(self, request: Flush) -> None:
        try:
            done = request.action() if request.action else None
            report = done.as_data() if isinstance(done, Report) else {}
            request.report = {**self.session.status(), **report}
        except DevboxError as error:
            request.report = {**self.session.status(), "error": error.as_data()}
        finally:
            request.done.set()

    def _move(self, changes: Changes) -> set[bytes]:
        """Renamed folders go first, before any of what is in them is looked at; what is in doubt by that."""
        if not changes.moves:
            return set()
        report = Report(problems=self.session.rounds.problems)
        doubtful = self.session.rounds.move(self.session.link.open(), changes.moves, report)
        self._count(report)
        return doubtful

    def _follow(self, paths: Iterable[bytes], subtrees: Iterable[bytes], quiet: bool) -> None:
        doubtful, below, state = set(paths), set(subtrees), self.session.state
        if not doubtful and not below:
            if quiet:
                self.session.rounds.index.tidy()
                state.rtt = self.session.link.open().idle()
            return
        state.word, state.queued = "sending", len(doubtful)
        doubtful = self._rounds(doubtful, below)
        self.settling.later(doubtful, time.monotonic())
        state.word, state.queued = self.session.word(), 0
        if not doubtful:
            state.rtt = self.session.link.open().idle()

    def _rounds(self, doubtful: set[bytes], below: set[bytes]) -> set[bytes]:
        """Rounds until nothing is in doubt, or patience ends; what is still in doubt."""
        rounds, state, looked_at = self.session.rounds, self.session.state, set[bytes]()
        report = Report(problems=rounds.problems)
        for attempt in range(PATIENCE):
            looked_at |= doubtful  # also what the round before found below a folder, and could not do
            view, plan = rounds.part(self.session.link.open(), doubtful, below)
            with self.beside.round(plan):
                doubtful, below = rounds.apply(self.session.link.open(), view, plan, report), set()
            for one in plan.operations:
                state.last = printable(one.path)
            self.emit(Event("sync.followed", _burst(plan), {"operations": plan.size}))
            if not doubtful or (attempt and doubtful <= rounds.problems.keys()):
                break  # what the host refused twice waits for a while
        self.settling.done(looked_at - doubtful)
        for path in looked_at - doubtful:
            rounds.problems.pop(path, None)
        self._count(report)
        return doubtful

    def _count(self, report: Report) -> None:
        self.session.state.saves += report.put + report.removed + report.moved

    def _take_rules(self, changes: Changes) -> None:
        """An ignore file changed, or a folder with one: what it hides stays there, what it shows comes."""
        looking, touched = self.session.rounds.looking, {*changes.ready, *changes.open, *changes.subtrees}
        if any(path.rpartition(b"/")[2] in RULE_FILES or looking.ignore.ruled(path) for path in touched):
            looking.reload_rules()
            self.watcher.refresh()
            self.settling.add(Changes(subtrees=frozenset([b""])), time.monotonic())
        elif changes.subtrees:
            looking.ignore.forget()

    def _offline(self, lost: Exception) -> None:
        self.session.link.drop()
        self.session.state.word = "offline"
        self.settling.clear()  # the catch-up looks at everything
        self.beside.take()
        self.emit(Event("sync.offline", f"offline: {lost}"))

    def _online(self) -> None:
        """Connect and catch up, as often as it takes."""
        attempt, said = 0, ""
        while not self.stop.is_set():
            try:
                report = self.session.catch_up(Report(problems=self.session.rounds.problems))
                self.settling.later(report.problems, time.monotonic())
                self.session.state.word = self.session.word()
                self.emit(Event("sync.ready", self.ready(report), report.as_data()))
                self._unmeasured = True
                return
            except (ConnectionLost, HostUnreachable, RootRefused) as lost:
                first = not self.session.link.lane
                if first and (attempt == PATIENCE or not isinstance(lost, ConnectionLost)):
                    raise  # no connection yet: say so instead of waiting for ever
                if isinstance(lost, RootRefused) and said != str(lost):
                    said = str(lost)
                    self.emit(Event("sync.offline", f"waiting: {said}"))
                self.session.link.drop()
                self.session.state.word = "offline"
                self.stop.wait(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                attempt += 1


def _burst(plan: Plan) -> str:
    """Words for many changes at once; one by one they are said already."""
    if plan.size <= TOO_MANY_TO_SAY:
        return ""
    return f"{plan.size} changes at once, last {printable(plan.operations[-1].path)}"
