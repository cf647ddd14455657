"""A session: keeps one mapping in step, once or until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from devbox.errors import ConnectionLost, HostUnreachable
from devbox.ports.events import Emit, Event
from devbox.ports.tree import Put
from devbox.ports.watcher import Watcher
from devbox.sync.analyse import hints, twins
from devbox.sync.index import Index
from devbox.sync.link import Connect, Link
from devbox.sync.model import Plan, Report, View, printable
from devbox.sync.place import Place
from devbox.sync.pull import Pull
from devbox.sync.rounds import Rounds
from devbox.sync.state import Flush, Requests, State
from devbox.sync.watching import BACKOFF, PATIENCE, Watching

Watch = Callable[[Place, Callable[[bytes, bool], bool]], Watcher]


class Session:
    """One mapping. `run_once` for one pass; `watch` until `stop` is set. Use it from one thread."""

    def __init__(self, place: Place, connect: Connect, emit: Emit) -> None:
        self.place, self._emit = place, emit
        self._index = Index(place.state / "index.sqlite")
        self.link = Link(place, self._index, connect)
        self.rounds = Rounds(place, self._index, emit)
        self.state, self.requests = State(), Requests()
        self._take_local: frozenset[bytes] = frozenset()

    def run_once(self) -> Report:
        """Bring the host up to date. A link that breaks is mended and the rest follows."""
        report = Report()
        self.rounds.brake.parked.clear()
        for attempt in range(PATIENCE - 1):
            try:
                return self.catch_up(report)
            except (ConnectionLost, HostUnreachable) as lost:
                if isinstance(lost, HostUnreachable) and not self.link.lane:
                    raise  # it was never reached
                self.link.drop()
                self._emit(Event("sync.offline", f"connection lost ({lost.why or lost.what}); trying again"))
                time.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
        return self.catch_up(report)

    def catch_up(self, report: Report) -> Report:
        """One try of the same: the whole tree is looked at. What was done is added to the report."""
        start = time.monotonic()
        self.rounds.begin()
        tree = self.link.open()
        view, plan = self.rounds.whole(tree, self._take_local)
        total = sum(one.size for one in plan.operations if isinstance(one, Put))
        data = {"operations": plan.size, "bytes": total, "files": len(view.local)}
        self._emit(Event("sync.planned", "", data))
        self._advise(view, plan)
        doubtful = self.rounds.apply(tree, view, plan, report)
        for _ in range(PATIENCE):
            if not doubtful:
                break
            view, plan = self.rounds.part(tree, doubtful, ())
            doubtful = self.rounds.apply(tree, view, plan, report)
        for path in report.problems.keys() - doubtful:
            del report.problems[path]
        for path in doubtful:
            report.problems.setdefault(path, "keeps changing while it is read")
        self._index.forget_intents(doubtful | self.rounds.brake.parked)
        self.rounds.end(tree)
        return self._finish(report, start)

    def _advise(self, view: View, plan: Plan) -> None:
        """Words before the first bytes: huge generated folders, names that are one elsewhere."""
        for hint in hints(plan):
            self._emit(Event("sync.hint", f"hint: {hint}"))
        if "new" in plan.reasons.values():
            for one, other in twins(view.local):
                text = f"hint: {one} and {other} are one name on macOS and Windows"
                self._emit(Event("sync.hint", text, {"path": one, "other": other}))

    def dry_run(self) -> Plan:
        """What `run_once` would do. Changes nothing on the host."""
        tree, known = self.link.glance()
        rounds = self.rounds if known else Rounds(self.place, Index(Path(":memory:")), self._emit)
        _view, plan = rounds.whole(tree)
        return plan

    def verify(self) -> Report:
        """Compare every byte: what differs is reported as a problem. Changes nothing on the host."""
        tree, report, start = self.link.open(), Report(), time.monotonic()
        records = {path: one for path, one in self._index.records().items() if one.digest}
        there = tree.digests(records)
        for path, record in records.items():
            if there.get(path) != record.digest:
                report.problems[path] = "differs on the host" if path in there else "missing on the host"
        return self._finish(report, start)

    def take_local(self, path: bytes) -> Report:
        """Resolve conflicts at `path` and below it (b"": all) in favour of the local side."""
        taken = self._conflicts_at(path)
        self._take_local, self.link.may_be_empty = frozenset([*taken, path]), not path
        for one in taken:
            self._index.resolved(one)
        try:
            return self.run_once()
        finally:
            self._take_local, self.link.may_be_empty = frozenset(), False

    def take_remote(self, path: bytes) -> int:
        """Resolve conflicts at `path` and below it in favour of the host: its files come home. How many."""
        taken = self._conflicts_at(path) or [path]
        return sum(len(self.pull(one, force=True)) for one in taken)

    def confirm_deletes(self) -> Report:
        """Do the deletes that waited for a yes, and everything else."""
        self.rounds.brake.confirmed = True
        try:
            return self.run_once()
        finally:
            self.rounds.brake.confirmed = False

    def pull(self, path: bytes, force: bool = False) -> list[bytes]:
        """Bring a file of the host home, or a folder's; `force`: even over local files it never had."""
        came = Pull(self.link.open(), self._index, self.place, self.rounds.ignore, force).run(path)
        for one in came:
            self._emit(Event("sync.pulled", f"pulled {printable(one)}", {"path": printable(one)}))
        return came

    def watch(self, watch: Watch, stop: threading.Event) -> None:
        """Follow every save until `stop` is set and the watcher is woken."""
        watcher = watch(self.place, lambda path, folder: self.rounds.ignore.covers(path, folder))
        self.requests.watcher = watcher
        try:
            Watching(self, watcher, self._emit, stop, lambda report: ready_text(self.place, report)).run()
        finally:
            self.requests.watcher = None
            watcher.close()

    def flush(self, action: Callable[[], object] | None = None) -> Flush:
        """From any thread: ask for everything saved up to now; `done` is set when it is there."""
        return self.requests.ask(action)

    def wake(self) -> None:
        """From any thread: look at `stop` now."""
        self.requests.wake()

    def word(self) -> str:
        """How things stand, when nothing is under way."""
        if self._index.conflicts():
            return "conflicts"
        return "problems" if self.rounds.problems else "in step"

    def skipped(self) -> dict[str, str]:
        """What is never sent, and why: sockets, devices, links out of the tree."""
        return {printable(path): why for path, why in self.rounds.looking.skipped.items()}

    def status(self) -> dict[str, object]:
        """For the status line and `--status`; from any thread."""
        state = self.state
        return {
            "mapping": self.place.remote,
            "state": state.word,
            "queued": state.queued,
            "last": state.last,
            "rtt": round(state.rtt, 5),
            "lane": self.link.lane,
            "saves": state.saves,
            "parked": len(self.rounds.brake.parked),
            "conflicts": {printable(path): why for path, why in self._index.conflicts().items()},
            "problems": {printable(path): why for path, why in dict(self.rounds.problems).items()},
            "skipped": self.skipped(),
        }

    def close(self) -> None:
        self.link.drop()
        self._index.close()

    def _conflicts_at(self, path: bytes) -> list[bytes]:
        """The conflicts at a path and below it; all for b""."""
        waiting = self._index.conflicts()
        return [one for one in waiting if not path or one == path or one.startswith(path + b"/")]

    def _finish(self, report: Report, start: float) -> Report:
        report.files = self._index.count()
        report.parked = len(self.rounds.brake.parked)
        report.conflicts = self._index.conflicts()
        report.seconds += time.monotonic() - start
        return report


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
