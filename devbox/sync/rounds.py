"""One round: look, plan, do, record. Used for the whole tree and for a handful of saved files alike."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from devbox.errors import SyncHalted
from devbox.ports.events import Emit, Event
from devbox.ports.tree import (
    Entry,
    Kind,
    Move,
    Operation,
    Outcome,
    Put,
    Remove,
    RemoveDirectory,
    Result,
    Sent,
    Tree,
)
from devbox.sync import plan as planning
from devbox.sync import scan
from devbox.sync.ignore import Ignore, environment_rules
from devbox.sync.index import Index
from devbox.sync.model import Conflict, Local, Plan, Record, Report, View, parent_of, printable

_YOUNG_NS = 50_000_000
"""Clock ticks of file systems are up to 10 ms apart: a file younger than this can change unseen."""
_BATCH = 512
TOO_MANY_TO_SAY = 20
"""More operations than this at once are events without words: the sum is said at the end."""


@dataclass(frozen=True, slots=True)
class Place:
    """One mapping, resolved. `root` is absolute; `state` is where its index lives."""

    root: bytes
    remote: str
    host: str
    state: Path
    ignore: tuple[str, ...] = ()
    in_place: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Rounds:
    """The work of a session on an open tree."""

    place: Place
    index: Index
    emit: Emit
    ignore: Ignore = field(init=False)
    skipped: dict[bytes, str] = field(default_factory=dict)
    clashed: set[bytes] = field(default_factory=set)
    """Paths where something else stood on the host than expected: it is asked before the next try."""
    confirmed: bool = False
    """Whether the user said yes to a mass of deletes."""
    parked: int = 0
    """Deletes that wait for that yes."""
    sent: Sent = lambda count: None
    """Told of content bytes as they leave."""
    started_ns: int = 0
    """When the round began to look."""

    def __post_init__(self) -> None:
        self.reload_rules()

    def reload_rules(self) -> None:
        """Read the ignore files anew."""
        config, weak, prefix = environment_rules(self.place.root, self.place.ignore)
        self.ignore = Ignore(self.place.root, config, weak, prefix)

    def whole(self, tree: Tree, take_local: frozenset[bytes] = frozenset()) -> tuple[View, Plan]:
        """Look at everything on both sides."""
        self.started_ns = time.time_ns()
        found = self._scan_all()
        records = self.index.records()
        if records and not found.entries and not self.confirmed:
            raise SyncHalted(
                "the local folder is empty, or everything in it is ignored",
                where=os.fsdecode(self.place.root),
                why="following it would delete everything on the host",
                next_steps=["devbox sync --confirm-deletes   (if that is meant)"],
            )
        known = {path for path, one in records.items() if one.local.kind is Kind.DIRECTORY}
        folders = {b"", *known, *_moved_folders(self.index.moves(), known)}
        folders.update(parent_of(path) for path in self.index.intents())
        folders.update(path for path, one in found.entries.items() if one.kind is Kind.DIRECTORY)
        remote = tree.scan(sorted(folders))
        for old, new in self.index.moves():
            if new in remote and old not in remote:
                with self.index.together():
                    self.index.moved(old, new)  # it happened, and we were killed before we wrote it down
                records = self.index.records()
        view = View(found.entries, records, remote, self.index.intents(), take_local)
        return self._planned(tree, view)

    def part(self, tree: Tree, paths: Iterable[bytes], subtrees: Iterable[bytes]) -> tuple[View, Plan]:
        """Look here at what is in doubt; what the host has is what the index says until it says otherwise."""
        self.started_ns = time.time_ns()
        found, records = scan.Found(), dict[bytes, Record]()
        wanted, asking = self._unclear(set(paths))
        for path in wanted:
            scan.look(self.place.root, self.ignore, path, found)
            self._with_records(path, found, records, deep=False)
        for path in subtrees:
            if path:
                scan.look(self.place.root, self.ignore, path, found)
            scan.scan(self.place.root, self.ignore, path, found)
            self._with_records(path, found, records, deep=True)
        self._with_parents(found, records)
        self.skipped.update(found.skipped)
        asking = asking or not self._unclear_paths().isdisjoint({*found.entries, *records})
        remote = self._remote_of(tree, {*wanted, *found.entries, *records}, records) if asking else None
        intents = self.index.intents()
        if remote is not None:
            near = {*wanted, *found.entries, *records}
            intents = {path: one for path, one in intents.items() if path in near}
        return self._planned(tree, View(found.entries, records, remote, intents))

    def _unclear_paths(self) -> set[bytes]:
        return {*self.clashed, *self.index.conflicts()}

    def _unclear(self, paths: set[bytes]) -> tuple[set[bytes], bool]:
        """The paths, with those above them where something unexplained stood; whether there are any."""
        unclear = self._unclear_paths()
        if not unclear:
            return paths, False
        above = {one for path in paths for one in planning.above(path)}
        near = unclear & (paths | above)
        self.clashed -= near
        return paths | near, bool(near)

    def _remote_of(
        self, tree: Tree, paths: set[bytes], records: Mapping[bytes, Record]
    ) -> Mapping[bytes, Entry]:
        """What stands there at these paths, really."""
        folders = {parent_of(path) for path in paths}
        folders |= {path for path, one in records.items() if one.local.kind is Kind.DIRECTORY}
        found = tree.scan(sorted(folders))
        return {path: entry for path, entry in found.items() if path in paths}

    def apply(self, tree: Tree, view: View, plan: Plan, report: Report) -> set[bytes]:
        """Do the plan and record every outcome. Returns the paths that must be looked at again."""
        with self.index.together():
            for path, record in plan.adopt.items():
                self.index.agree(path, record, settled=view.remote is not None)
                report.adopted += path not in view.records
            for path in plan.forget:
                self.index.forget(path)
            for conflict in plan.conflicts:
                self._conflict(conflict.path, conflict.why, report)
        self.clashed.update(plan.unsure)
        if not plan.size:
            return set(plan.unsure)
        self.index.intend(plan.operations)
        return self._carry_out(tree, view, plan, report).union(plan.unsure)

    def _carry_out(self, tree: Tree, view: View, plan: Plan, report: Report) -> set[bytes]:
        doubtful, clashes, batch = set[bytes](), list[Outcome](), list[Outcome]()
        try:
            for outcome in tree.apply(plan.waves, _Count(report, self.sent)):
                if outcome.result is Result.CONFLICT:
                    clashes.append(outcome)
                    continue
                batch.append(outcome)
                if len(batch) >= _BATCH:
                    doubtful |= self._record(batch, view, plan, report)
                    batch = []
        finally:
            # Whatever is known to be done is recorded, even when the link broke after it.
            doubtful |= self._record(batch, view, plan, report)
        return doubtful | self._clashed(tree, clashes, view, report)

    def _record(self, batch: list[Outcome], view: View, plan: Plan, report: Report) -> set[bytes]:
        with self.index.together():
            doubtful = {one.operation.path for one in batch if not self._settle(one, view, report)}
        for outcome in batch:
            self._say(outcome, plan)
        return doubtful

    def _settle(self, outcome: Outcome, view: View, report: Report) -> bool:
        """Put one outcome into the index. False when its path must be looked at again."""
        operation, path = outcome.operation, outcome.operation.path
        report.problems.pop(path, None)
        if outcome.result in (Result.UNSTABLE, Result.FAILED):
            self.index.undone(operation)
        if outcome.result is Result.UNSTABLE:
            return False
        if outcome.result is Result.FAILED:
            report.problems[path] = outcome.why
            return False
        if isinstance(operation, Remove | RemoveDirectory):
            if path not in view.local:
                self.index.forget(path)
            report.removed += outcome.result is Result.DONE
        elif isinstance(operation, Move):
            self.index.moved(path, operation.target)
            report.moved += 1
        elif outcome.entry:
            self._agreed(path, outcome, outcome.entry, view)
            report.put += isinstance(operation, Put)
        return True

    def _agreed(self, path: bytes, outcome: Outcome, entry: Entry, view: View) -> None:
        local = view.local[path]
        before = view.records.get(path)
        digest = outcome.digest or (before.digest if before else b"")
        self.index.agree(path, Record(local, entry, digest, self._young(local)))

    def _conflict(self, path: bytes, why: str, report: Report) -> None:
        if path not in self.index.conflicts():
            shown = printable(path)
            self.emit(Event("sync.conflict", f"conflict: {shown}: {why}", {"path": shown, "why": why}))
        self.index.conflict(path, why)
        report.conflicts[path] = why

    def _clashed(self, tree: Tree, clashes: list[Outcome], view: View, report: Report) -> set[bytes]:
        """Something else stands there than the index says: equal bytes are adopted, the rest is kept.

        Where the plan was made without asking the host, it is made again with asking: those are returned.
        """
        files = {one.operation.path for one in clashes if isinstance(one.operation, Put)}
        there = tree.digests(files) if files else {}
        again: set[bytes] = set()
        for path in [one.operation.path for one in clashes]:
            local = view.local.get(path)
            digest = self._source(path, local).digest() if local and path in there else b""
            entry = tree.scan([parent_of(path)]).get(path) if digest and there[path] == digest else None
            if local and entry:
                self.index.agree(path, Record(local, entry, digest, racy=True))
                report.adopted += 1
            elif view.remote is None or (local and path in there and not digest):
                again.add(path)
            else:
                self._conflict(path, "changed on the host", report)
        for one in clashes:
            self.index.undone(one.operation)
        self.clashed |= again
        return again

    def _young(self, local: Local) -> bool:
        return local.kind is Kind.FILE and self.started_ns - local.mtime_ns < _YOUNG_NS

    def _planned(self, tree: Tree, view: View) -> tuple[View, Plan]:
        view = self._told_apart(view)
        plan = planning.make(view, self._source, self.place.in_place)
        self._compare(tree, view, plan)
        if not self.confirmed and planning.too_many_deletes(plan, self.index.count):
            self.parked += len(planning.without_deletes(plan))
        return view, plan

    def _told_apart(self, view: View) -> View:
        """Files whose stat leaves a doubt are told apart by their bytes, before the plan is made."""
        records = dict(view.records)
        for path, record in view.records.items():
            local = view.local.get(path)
            if local is None or not _in_doubt(local, record):
                continue
            digest = self._source(path, local).digest()
            if digest == record.digest:
                known = replace(local, mode=record.local.mode)
                records[path] = Record(known, record.remote, digest, self._young(local))
                self.index.agree(path, records[path], settled=False)
            else:
                records[path] = replace(record, local=replace(record.local, mtime_ns=-1))
        return replace(view, records=records)

    def _compare(self, tree: Tree, view: View, plan: Plan) -> None:
        """Adopt what is equal on both sides; what differs is a conflict, what is being written is unsure."""
        if not plan.compare or view.remote is None:
            return
        there = tree.digests(plan.compare)
        for path in plan.compare:
            local, entry = view.local[path], view.remote[path]
            digest = self._source(path, local).digest()
            if not digest:
                plan.unsure.append(path)
            elif there.get(path) == digest:
                agreed = replace(local, mode=0o755 if entry.mode & 0o100 else 0o644)
                plan.adopt[path] = Record(agreed, entry, digest, racy=True)
            else:
                known = path in view.records
                why = "changed on the host" if known else "stands on the host already, with other content"
                plan.conflicts.append(Conflict(path, why))

    def _source(self, path: bytes, local: Local) -> scan.LocalFile:
        return scan.LocalFile(os.path.join(self.place.root, path), local)

    def _scan_all(self) -> scan.Found:
        if not os.path.isdir(self.place.root):
            raise SyncHalted(
                "the local folder is gone",
                where=os.fsdecode(self.place.root),
                next_steps=["bring it back, or change `local` in devbox.yaml"],
            )
        found = scan.Found()
        scan.scan(self.place.root, self.ignore, b"", found)
        self.skipped = found.skipped
        return found

    def _with_records(self, path: bytes, found: scan.Found, records: dict[bytes, Record], deep: bool) -> None:
        record = self.index.record(path) if path else None
        if record:
            records[path] = record
        local = found.entries.get(path)
        was_folder = record is not None and record.local.kind is Kind.DIRECTORY
        if deep or (was_folder and (local is None or local.kind is not Kind.DIRECTORY)):
            records.update(self.index.records(path))
        if not deep and local and local.kind is Kind.DIRECTORY and not was_folder:
            scan.scan(self.place.root, self.ignore, path, found)
            records.update(self.index.records(path))

    def _with_parents(self, found: scan.Found, records: dict[bytes, Record]) -> None:
        """A folder above that the host does not have yet comes along."""
        for path in list(found.entries):
            parent = parent_of(path)
            while parent and parent not in found.entries and parent not in records:
                known = self.index.record(parent)
                if known:
                    break
                scan.look(self.place.root, self.ignore, parent, found)
                parent = parent_of(parent)

    def _say(self, outcome: Outcome, plan: Plan) -> None:
        operation = outcome.operation
        shown, result = printable(operation.path), outcome.result
        data: dict[str, object] = {"path": shown, "result": result.value, "operation": verb(operation)}
        if outcome.result is Result.FAILED:
            data["why"] = outcome.why
            self.emit(Event("sync.problem", f"problem: {shown}: {outcome.why}", data))
        elif outcome.result is Result.DONE:
            data["reason"] = plan.reasons.get(operation.path, "")
            many = plan.size > TOO_MANY_TO_SAY
            self.emit(Event("sync.applied", "" if many else f"{verb(operation)} {shown}", data))


@dataclass(slots=True)
class _Count:
    report: Report
    also: Sent

    def __call__(self, count: int) -> None:
        self.report.sent += count
        self.also(count)


def verb(operation: Operation) -> str:
    """The operation in one word."""
    names: Mapping[str, str] = {
        "Put": "put",
        "PutLink": "link",
        "MakeDirectory": "mkdir",
        "SetMeta": "mode",
        "Remove": "delete",
        "RemoveDirectory": "rmdir",
        "Move": "move",
    }
    return names[type(operation).__name__]


def _moved_folders(moves: Iterable[tuple[bytes, bytes]], folders: set[bytes]) -> set[bytes]:
    """Where the known folders are on the host if those renames happened."""
    pairs = [(old, new, one) for old, new in moves for one in folders]
    return {new + one[len(old) :] for old, new, one in pairs if one == old or one.startswith(old + b"/")}


def _in_doubt(local: Local, record: Record) -> bool:
    """Same size and not surely the same: touched, replaced by an equal file, or too young when read."""
    if local.kind is not Kind.FILE or record.local.kind is not Kind.FILE or not record.digest:
        return False
    return local.size == record.local.size and (record.racy or local != record.local)
