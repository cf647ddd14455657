"""Looking: what stands here, and on the host where that is in doubt. Nothing is decided or changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from devbox.errors import SyncHalted
from devbox.ports.tree import Entry, Kind, Survey, Tree
from devbox.sync import scan
from devbox.sync.ignore import Ignore, of_tree
from devbox.sync.index import Index
from devbox.sync.marks import Marks
from devbox.sync.model import Record, View, above, parent_of
from devbox.sync.place import Place


class _Ahead(threading.Thread):
    """A look at the local side, on a thread of its own."""

    def __init__(self, look: Callable[[], scan.Found]) -> None:
        super().__init__(name="sync-look", daemon=True)
        self._look = look
        self._found: scan.Found | None = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._found = self._look()
        except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
            self._error = error

    def result(self) -> scan.Found:
        """What was seen, or raised."""
        self.join()
        if self._found is None:
            raise self._error or RuntimeError("nothing was looked at")
        return self._found


@dataclass(slots=True)
class Looking:
    """The eyes of a session."""

    place: Place
    index: Index
    ignore: Ignore = field(init=False)
    skipped: dict[bytes, str] = field(default_factory=dict)
    clashed: set[bytes] = field(default_factory=set)
    """Paths where something else stood on the host than expected: it is asked before the next try."""
    _ahead: _Ahead | None = None

    def __post_init__(self) -> None:
        self.reload_rules()

    def reload_rules(self) -> None:
        """Read the ignore files anew."""
        self.ignore = of_tree(self.place.root, self.place.ignore)

    @property
    def begun(self) -> bool:
        """Whether a look at the local side is under way."""
        return self._ahead is not None

    def begin(self) -> None:
        """Look at the whole local side from now on, beside whatever else is done; `whole` waits for it."""
        known = {path: one.here for path, one in self.index.marks().items()}
        self._ahead = _Ahead(lambda: self._scan_all(known))

    def whole(self, tree: Tree, take_local: frozenset[bytes], may_be_empty: bool) -> View:
        """Both sides, but for folders surely in step. An empty local tree is a halt unless it may be."""
        if self._ahead is None:
            self.begin()
        ahead, self._ahead = self._ahead, None
        assert ahead
        # What was in step last time is asked about at once: the host looks while we do.
        marks = {} if take_local else self.index.marks()
        first = tree.survey({path: one.there for path, one in marks.items()}) if marks else Survey({})
        found, same = self._found(ahead.result(), marks, first)
        self.skipped = found.skipped
        self._not_emptied(found, may_be_empty)
        folders = self._folders(found)
        left = folders - same - (marks.keys() - first.same)
        rest = tree.survey(dict.fromkeys(sorted(left), b"")) if left else Survey({})
        survey = Survey({**first.entries, **rest.entries}, frozenset(same))
        for old, new in self.index.moves():
            if new in survey.entries and old not in survey.entries:
                with self.index.together():
                    self.index.moved(old, new)  # it happened, and we were killed before we wrote it down
        return self._view(found, survey, folders, take_local)

    def _found(
        self, found: scan.Found, marks: Mapping[bytes, Marks], first: Survey
    ) -> tuple[scan.Found, set[bytes]]:
        """What was seen here, complete but for the folders in step on both sides; these folders."""
        same = _in_step(found, marks, first)
        if not scan.complete(self.place.root, self.ignore, found.passed - same, found):
            found = self._scan_all({})
            same = _in_step(found, marks, first)
        return found, same

    def _folders(self, found: scan.Found) -> set[bytes]:
        """The folders that may stand on the host."""
        known = self.index.folders()
        folders = {*found.marks, b"", *known, *_moved_folders(self.index.moves(), known)}
        folders.update(parent_of(path) for path in self.index.intents())
        folders.update(path for path, one in found.entries.items() if one.kind is Kind.DIRECTORY)
        return folders

    def _not_emptied(self, found: scan.Found, may_be: bool) -> None:
        if found.entries or found.passed or may_be or not self.index.count():
            return
        raise SyncHalted(
            "the local folder is empty, or everything in it is ignored",
            where=os.fsdecode(self.place.root),
            why="following it would delete everything on the host",
            next_steps=["devbox sync --confirm-deletes   (if that is meant)"],
        )

    def _view(
        self, found: scan.Found, survey: Survey, folders: set[bytes], take_local: frozenset[bytes]
    ) -> View:
        """What has to be compared: every folder, and what is in those that are not `same`."""
        if not survey.same:
            records, local = self.index.records(), found.entries
            return View(local, records, survey.entries, self.index.intents(), take_local, found.marks)
        records = self.index.records_of(folders - survey.same)
        local = found.below_others(survey.same)
        quiet = {path: one.remote for path, one in records.items() if parent_of(path) in survey.same}
        marks = {path: mark for path, mark in found.marks.items() if path not in survey.same}
        return View(local, records, {**quiet, **survey.entries}, {}, take_local, marks)

    def part(self, tree: Tree, paths: Iterable[bytes], subtrees: Collection[bytes]) -> View:
        """What is in doubt here; what the host has is what the index says until it says otherwise."""
        found, records = scan.Found(self.place.modes), dict[bytes, Record]()
        wanted, asking = self._unclear(set(paths))
        if b"" in subtrees:
            self._stands()
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
        near = {*wanted, *found.entries, *records}
        intents = self.index.intents()
        # What an interrupted session may have put there is not in the index: only the host can tell.
        asking = asking or not intents.keys().isdisjoint(near)
        if not asking and self._unclear_paths().isdisjoint({*found.entries, *records}):
            return View(found.entries, records, None, intents)
        near_intents = {path: one for path, one in intents.items() if path in near}
        return View(found.entries, records, _remote_of(tree, near, records), near_intents)

    def _unclear_paths(self) -> set[bytes]:
        return {*self.clashed, *self.index.conflicts()}

    def _unclear(self, paths: set[bytes]) -> tuple[set[bytes], bool]:
        """The paths, with those above them where something unexplained stood; whether there are any."""
        unclear = self._unclear_paths()
        if not unclear:
            return paths, False
        higher = {one for path in paths for one in above(path)}
        near = unclear & (paths | higher)
        self.clashed -= near
        return paths | near, bool(near)

    def _stands(self) -> None:
        """Halt where the local root is gone."""
        if os.path.isdir(self.place.root):
            return
        raise SyncHalted(
            "the local folder is gone",
            where=os.fsdecode(self.place.root),
            next_steps=["bring it back, or change `local` in devbox.yaml"],
        )

    def _scan_all(self, known: Mapping[bytes, bytes]) -> scan.Found:
        self._stands()
        found = scan.Found(self.place.modes)
        scan.scan(self.place.root, self.ignore, b"", found, known)
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
        """A folder above that the host does not have yet comes along; a known one, so that moves find it."""
        for path in list(found.entries):
            parent = parent_of(path)
            while parent and parent not in found.entries and parent not in records:
                scan.look(self.place.root, self.ignore, parent, found)
                known = self.index.record(parent)
                if known and parent in found.entries:
                    records[parent] = known
                if known:  # if it went just now, its own event says so, and takes all below with it
                    break
                parent = parent_of(parent)


def _remote_of(tree: Tree, paths: set[bytes], records: Mapping[bytes, Record]) -> Mapping[bytes, Entry]:
    """What stands there at these paths, really."""
    folders = {parent_of(path) for path in paths}
    folders |= {path for path, one in records.items() if one.local.kind is Kind.DIRECTORY}
    found = tree.scan(sorted(folders))
    return {path: entry for path, entry in found.items() if path in paths}


def _in_step(found: scan.Found, marks: Mapping[bytes, Marks], there: Survey) -> set[bytes]:
    """The folders that still have both marks."""
    return {path for path in there.same if found.marks.get(path) == marks[path].here}


def _moved_folders(moves: Iterable[tuple[bytes, bytes]], folders: set[bytes]) -> set[bytes]:
    """Where the known folders are on the host if those renames happened."""
    pairs = [(old, new, one) for old, new in moves for one in folders]
    return {new + one[len(old) :] for old, new, one in pairs if one == old or one.startswith(old + b"/")}
