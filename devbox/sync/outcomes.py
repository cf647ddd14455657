"""What became of a plan: every outcome goes into the index and is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devbox.ports.events import Emit, Event
from devbox.ports.tree import (
    Entry,
    MakeDirectory,
    Move,
    Operation,
    Outcome,
    Put,
    PutLink,
    Remove,
    RemoveDirectory,
    Result,
    SetMeta,
    Tree,
)
from devbox.sync.doubts import CHANGED_THERE, Doubts
from devbox.sync.model import Plan, Record, Report, View, above, parent_of, printable

TOO_MANY_TO_SAY = 20
"""More operations than this at once are events without words: the sum is said at the end."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Takes in the outcomes of one plan."""

    doubts: Doubts
    emit: Emit
    view: View
    plan: Plan
    report: Report
    agreed: dict[bytes, Record] = field(default_factory=dict)
    news: set[bytes] = field(default_factory=set)
    """Paths with a problem that they did not have before."""
    kept: list[bytes] = field(default_factory=list)
    """Folders that are gone here and could not be removed there."""

    def record(self, batch: list[Outcome]) -> set[bytes]:
        """Write them down, all or none; the paths that must be looked at again."""
        agreed: dict[bytes, Record] = {}
        with self.doubts.index.together():
            doubtful = _paths(one.operation for one in batch if not self._settle(one, agreed))
            self.doubts.index.agree_all(agreed)
        self.agreed.update(agreed)
        for outcome in batch:
            self._say(outcome)
        return doubtful

    def refused(self, tree: Tree, clashes: list[Outcome]) -> set[bytes]:
        """Something else stands there than the index says: equal bytes are adopted, the rest is kept.

        Where the plan was made without asking the host, it is made again with asking: those are returned.
        """
        files = {one.operation.path for one in clashes if isinstance(one.operation, Put)}
        there = tree.digests(files) if files else {}
        again = _paths(one.operation for one in clashes if not self._met(tree, one.operation.path, there))
        for one in clashes:
            self.doubts.index.undone(one.operation)
            self._say(one)
        return again

    def folders_kept(self, again: set[bytes]) -> set[bytes]:
        """Those that hold something of ours still are looked at again; in the others is what others made."""
        holding = {one for path in again for one in above(path)}
        waiting = {path for path in self.kept if path in holding or len(self.doubts.index.records(path)) > 1}
        for path in self.kept:
            if path not in waiting and path not in self.view.local:
                self.doubts.index.forget(path)
        return waiting

    def conflict(self, path: bytes, why: str) -> None:
        """Keep a conflict; it is said once."""
        index = self.doubts.index
        if path not in index.conflicts():
            shown = printable(path)
            self.emit(Event("sync.conflict", f"conflict: {shown}: {why}", {"path": shown, "why": why}))
        index.conflict(path, why)
        self.report.conflicts[path] = why

    def _met(self, tree: Tree, path: bytes, there: Mapping[bytes, bytes]) -> bool:
        """Whether it is decided what to make of the thing that stands there."""
        local = self.view.local.get(path)
        digest = self.doubts.place.source(path, local).digest() if local and path in there else b""
        entry = tree.scan([parent_of(path)]).get(path) if digest and there[path] == digest else None
        if local and entry:
            self.doubts.index.agree(path, Record(local, entry, digest, racy=True))
            self.report.adopted += 1
            return True
        if self.view.remote is None or (local and path in there and not digest):
            return False
        self.conflict(path, CHANGED_THERE)
        return True

    def _settle(self, outcome: Outcome, agreed: dict[bytes, Record]) -> bool:
        """Put one outcome into the index, or into `agreed`. False: its path must be looked at again."""
        operation, path, index = outcome.operation, outcome.operation.path, self.doubts.index
        before = self.report.problems.pop(path, None)
        if outcome.result in (Result.UNSTABLE, Result.FAILED):
            index.undone(operation)
            if outcome.result is Result.FAILED:
                self.report.problems[path] = outcome.why
                if before != outcome.why:
                    self.news.add(path)
            return False
        if isinstance(operation, Remove | RemoveDirectory):
            if outcome.result is Result.KEPT:
                self.kept.append(path)
            elif path in self.view.local:
                index.cleared(path)  # room was made for what may never come
            else:
                index.forget(path)
            self.report.removed += outcome.result is Result.DONE
        elif isinstance(operation, Move):
            index.moved(path, operation.target)
            self.report.moved += 1
        elif outcome.entry:
            agreed[path] = self._record_of(outcome, outcome.entry)
            self.report.put += isinstance(operation, Put)
        return True

    def _record_of(self, outcome: Outcome, entry: Entry) -> Record:
        path = outcome.operation.path
        local, before = self.view.local[path], self.view.records.get(path)
        digest = outcome.digest or (before.digest if before else b"")
        return Record(local, entry, digest, self.doubts.young(local))

    def _say(self, outcome: Outcome) -> None:
        operation = outcome.operation
        shown, result = printable(operation.path), outcome.result
        data: dict[str, object] = {"path": shown, "result": result.value, "operation": verb(operation)}
        if isinstance(operation, Move):
            data["to"] = printable(operation.target)
        if result is Result.FAILED and operation.path in self.news:  # a problem is said once
            self.news.discard(operation.path)
            data["why"] = outcome.why
            self.emit(Event("sync.problem", f"problem: {shown}: {outcome.why}", data))
        elif result is Result.DONE:
            data["reason"] = self.plan.reasons.get(operation.path, "")
            many = self.plan.size > TOO_MANY_TO_SAY
            self.emit(Event("sync.applied", "" if many else f"{verb(operation)} {shown}", data))
        else:
            self.emit(Event("sync.postponed", "", data))


def _paths(operations: Iterable[Operation]) -> set[bytes]:
    """Where they would have changed something."""
    found: set[bytes] = set()
    for operation in operations:
        found.add(operation.path)
        if isinstance(operation, Move):
            found.add(operation.target)
    return found


_VERBS: Mapping[type[Operation], str] = {
    Put: "put",
    PutLink: "link",
    MakeDirectory: "mkdir",
    SetMeta: "mode",
    Remove: "delete",
    RemoveDirectory: "rmdir",
    Move: "move",
}


def verb(operation: Operation) -> str:
    """The operation in one word."""
    return _VERBS[type(operation)]
