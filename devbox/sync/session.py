"""A session: keeps one mapping in step, once or until told to stop."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from devbox.errors import ConnectionLost, DevboxError, HostError, HostUnreachable, SyncHalted
from devbox.ports.events import Emit, Event
from devbox.ports.tree import Put, RootFacts, Tree
from devbox.ports.watcher import Changes, Watcher
from devbox.sync.ignore import RULE_FILES
from devbox.sync.index import Index
from devbox.sync.model import Plan, Report, printable
from devbox.sync.rounds import TOO_MANY_TO_SAY, Place, Rounds
from devbox.sync.settle import Settling

Connect = Callable[[], Tree]
Watch = Callable[[Place, Callable[[bytes, bool], bool]], Watcher]

_PATIENCE = 6
"""How often a path that keeps changing, or fails, is tried within one run."""
_BACKOFF = (0.1, 0.3, 1.0, 2.0, 5.0)
_IDLE = 5.0
"""Seconds between two looks at the link while nothing happens."""


@dataclass(slots=True)
class Flush:
    """Someone waits until everything saved before now is there, and `action` was done after it."""

    action: Callable[[], object] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    report: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """What the status line and `--status` say."""

    word: str = "starting"
    queued: int = 0
    last: str = ""
    rtt: float = 0.0
    lane: str = ""
    saves: int = 0


class Session:
    """One mapping. `run_once` for one pass; `watch` until `stop` is set. Use it from one thread."""

    def __init__(self, place: Place, connect: Connect, emit: Emit) -> None:
        self.place, self._connect, self._emit = place, connect, emit
        self._index = Index(place.state / "index.sqlite")
        self.rounds = Rounds(place, self._index, emit)
        self.state = State()
        self._tree: Tree | None = None
        self._settling = Settling()
        self._flushes: list[Flush] = []
        self._watcher: Watcher | None = None
        self._lock = threading.Lock()
        self._take_local: frozenset[bytes] = frozenset()

    def run_once(self) -> Report:
        """Bring the host up to date. A link that breaks is mended and the rest follows."""
        start, report = time.monotonic(), Report()
        self.rounds.parked = 0
        for attempt in range(_PATIENCE):
            try:
                self._catch_up(self._open(), report)
                break
            except ConnectionLost as lost:
                self._drop()
                if attempt == _PATIENCE - 1:
                    raise
                self._emit(Event("sync.offline", f"connection lost ({lost.why or lost.what}); trying again"))
                time.sleep(_BACKOFF[min(attempt, len(_BACKOFF) - 1)])
        return self._finish(report, start)

    def dry_run(self) -> Plan:
        """What `run_once` would do. Changes nothing on the host."""
        tree = self._tree = self._connect()
        if not tree.look().token == self._index.token != b"":
            self._index.start_over(b"")
        _view, plan = self.rounds.whole(tree)
        return plan

    def verify(self) -> Report:
        """Compare every byte: what differs is reported as a problem. Changes nothing on the host."""
        tree, report, start = self._open(), Report(), time.monotonic()
        records = {path: one for path, one in self._index.records().items() if one.digest}
        there = tree.digests(records)
        for path, record in records.items():
            if there.get(path) != record.digest:
                report.problems[path] = "differs on the host" if path in there else "missing on the host"
        return self._finish(report, start)

    def take_local(self, path: bytes) -> Report:
        """Resolve conflicts at `path` and below it (b"": all) in favour of the local side."""
        waiting = self._index.conflicts()
        taken = [one for one in waiting if not path or one == path or one.startswith(path + b"/")]
        self._take_local = frozenset([*taken, path])
        for one in taken:
            self._index.resolved(one)
        try:
            return self.run_once()
        finally:
            self._take_local = frozenset()

    def take_remote(self, path: bytes) -> int:
        """Resolve conflicts at `path` and below it in favour of the host: its files come home. How many."""
        waiting = self._index.conflicts()
        taken = [one for one in waiting if not path or one == path or one.startswith(path + b"/")]
        for one in taken:
            self.pull(one, force=True)
        if not taken:
            self.pull(path, force=True)
        return max(len(taken), 1)

    def confirm_deletes(self) -> Report:
        """Do the deletes that waited for a yes, and everything else."""
        self.rounds.confirmed, self.rounds.parked = True, 0
        try:
            return self.run_once()
        finally:
            self.rounds.confirmed = False

    def pull(self, path: bytes, force: bool = False) -> int:
        """Bring one file of the host home; `force`: even over a local file that the host never had."""
        from devbox.sync.pull import pull

        return pull(self._open(), self._index, self.place, path, force)

    def watch(self, watch: Watch, stop: threading.Event) -> None:
        """Follow every save until `stop` is set and the watcher is woken."""
        self._watcher = watch(self.place, lambda path, folder: self.rounds.ignore.covers(path, folder))
        try:
            self._online(stop)
            while not stop.is_set():
                self._tick(self._watcher, stop)
        finally:
            self._watcher.close()

    def flush(self, action: Callable[[], object] | None = None) -> Flush:
        """From any thread: ask for everything saved up to now; `done` is set when it is there."""
        request = Flush(action)
        with self._lock:
            self._flushes.append(request)
        if self._watcher:
            self._watcher.wake()
        return request

    def wake(self) -> None:
        """From any thread: look at `stop` now."""
        if self._watcher:
            self._watcher.wake()

    def skipped(self) -> dict[str, str]:
        """What is never sent, and why: sockets, devices, links out of the tree."""
        return {printable(path): why for path, why in self.rounds.skipped.items()}

    def status(self) -> dict[str, object]:
        """For the status line and `--status`; from any thread."""
        state = self.state
        return {
            "state": state.word,
            "queued": state.queued,
            "last": state.last,
            "rtt": round(state.rtt, 5),
            "lane": state.lane,
            "saves": state.saves,
            "parked": self.rounds.parked,
            "conflicts": {printable(path): why for path, why in self._index.conflicts().items()},
        }

    def close(self) -> None:
        self._drop()
        self._index.close()

    def _tick(self, watcher: Watcher, stop: threading.Event) -> None:
        changes = watcher.wait(self._settling.due_in(time.monotonic(), _IDLE))
        with self._lock:
            flushes, self._flushes = self._flushes, []
        if flushes:
            changes = _merged(changes, watcher.wait(0))
        self._take_rules(changes)
        self._settling.add(changes, time.monotonic())
        paths, subtrees = self._settling.take(time.monotonic(), everything=bool(flushes))
        try:
            self._follow(paths, subtrees, quiet=not changes)
        except ConnectionLost as lost:
            self._offline(lost)
            self._online(stop)
        for request in flushes:
            self._answer(request)

    def _answer(self, request: Flush) -> None:
        try:
            if request.action:
                request.action()
            request.report = self.status()
        except DevboxError as error:
            request.report = {**self.status(), "error": error.as_data()}
        finally:
            request.done.set()

    def _follow(self, paths: Iterable[bytes], subtrees: Iterable[bytes], quiet: bool) -> None:
        report, doubtful, below = Report(), set(paths), set(subtrees)
        if not doubtful and not below:
            if quiet:
                self.state.rtt = self._open().idle()
            return
        self.state.word, self.state.queued = "sending", len(doubtful)
        for _ in range(_PATIENCE):
            view, plan = self.rounds.part(self._open(), doubtful, below)
            doubtful, below = self.rounds.apply(self._open(), view, plan, report), set()
            for one in plan.operations:
                self.state.last = printable(one.path)
            self._emit(Event("sync.followed", _burst(plan), {"operations": len(plan.operations)}))
            if not doubtful:
                break
        self._settling.later(doubtful, time.monotonic())
        self.state.saves += report.put + report.removed + report.moved
        self.state.word, self.state.queued = self._word(), 0
        self.state.rtt = self._open().idle() if not doubtful else self.state.rtt

    def _take_rules(self, changes: Changes) -> None:
        """An ignore file changed: what it hides stays there, what it shows comes along."""
        touched = {*changes.ready, *changes.open}
        if any(path.rpartition(b"/")[2] in RULE_FILES for path in touched):
            self.rounds.reload_rules()
            if self._watcher:
                self._watcher.refresh()
            self._settling.add(Changes(subtrees=frozenset([b""])), time.monotonic())

    def _offline(self, lost: Exception) -> None:
        self._drop()
        self.state.word = "offline"
        self._settling.clear()  # the catch-up looks at everything
        self._emit(Event("sync.offline", f"offline: {lost}"))

    def _online(self, stop: threading.Event) -> None:
        """Connect and catch up, as often as it takes."""
        for attempt in range(1_000_000):
            if stop.is_set():
                return
            try:
                report, start = Report(), time.monotonic()
                self._catch_up(self._open(), report)
                report = self._finish(report, start)
                self.state.word = self._word()
                self._emit(Event("sync.ready", ready_text(self.place, report), report.as_data()))
                self.state.rtt = self._open().idle()
                return
            except (ConnectionLost, HostUnreachable) as lost:
                first = not self.state.lane
                if first and (attempt == _PATIENCE or isinstance(lost, HostUnreachable)):
                    raise  # no connection yet: say so instead of waiting for ever
                self._drop()
                self.state.word = "offline"
                stop.wait(_BACKOFF[min(attempt, len(_BACKOFF) - 1)])

    def _word(self) -> str:
        return "conflicts" if self._index.conflicts() else "in step"

    def _catch_up(self, tree: Tree, report: Report) -> None:
        view, plan = self.rounds.whole(tree, self._take_local)
        total = sum(one.size for one in plan.operations if isinstance(one, Put))
        data = {"operations": len(plan.operations), "bytes": total, "files": len(view.local)}
        self._emit(Event("sync.planned", "", data))
        doubtful = self.rounds.apply(tree, view, plan, report)
        for _ in range(_PATIENCE):
            if not doubtful:
                break
            view, plan = self.rounds.part(tree, doubtful, ())
            doubtful = self.rounds.apply(tree, view, plan, report)
        for path in doubtful:
            report.problems.setdefault(path, "keeps changing while it is read")
        self._index.forget_intents(doubtful)

    def _finish(self, report: Report, start: float) -> Report:
        report.files = self._index.count()
        report.parked = self.rounds.parked
        report.conflicts = self._index.conflicts()
        report.seconds = time.monotonic() - start
        return report

    def _open(self) -> Tree:
        """The tree, connected, its root the one that the index is about."""
        if self._tree is None:
            tree = self._connect()
            try:
                self._know(tree)
            except BaseException:
                tree.close()
                raise
            self._tree = tree
            self.state.lane = tree.abilities.lane
        return self._tree

    def _know(self, tree: Tree) -> None:
        facts, token = tree.look(), self._index.token
        if token and facts.token == token:
            self._guard(facts)
        else:
            # Another root than last time, or the first time: without records nothing there is ever deleted
            # or overwritten; what is equal is adopted.
            token = facts.token or secrets.token_hex(16).encode()
            self._index.start_over(token)
        tree.prepare(token)

    def _guard(self, facts: RootFacts) -> None:
        """A root that lost everything devbox put there: an unmounted disk looks like this."""
        if (facts.exists and not facts.empty) or not self._index.count() or b"" in self._take_local:
            return
        raise SyncHalted(
            "the remote root is empty" if facts.exists else "the remote root is gone",
            where=f"{self.place.host}:{facts.path}",
            why=f"devbox put {self._index.count()} files there; is a disk not mounted?",
            next_steps=["devbox sync --take local .   (send everything again)"],
        )

    def _drop(self) -> None:
        if self._tree is not None:
            tree, self._tree = self._tree, None
            try:
                tree.close()
            except (OSError, HostError):
                return


def _burst(plan: Plan) -> str:
    """Words for many changes at once; one by one they are said already."""
    count = len(plan.operations)
    return (
        f"{count} changes at once, last {printable(plan.operations[-1].path)}"
        if count > TOO_MANY_TO_SAY
        else ""
    )


def _merged(one: Changes, other: Changes) -> Changes:
    return Changes(one.ready | other.ready, one.open | other.open, one.subtrees | other.subtrees)


def ready_text(place: Place, report: Report) -> str:
    """One line on a run for people."""
    did = [
        f"{count} {word}"
        for count, word in (
            (report.put, "sent"),
            (report.removed, "deleted"),
            (report.moved, "renamed"),
            (report.adopted, "adopted"),
            (len(report.conflicts), "in conflict"),
            (len(report.problems), "with problems"),
            (report.parked, "deletes parked"),
        )
        if count
    ]
    what = ", ".join(did) or "nothing to do"
    return f"{place.host}:{place.remote}: {what}; {report.files} files in step"
