"""Looking: what stands here, and on the host where that is in doubt. Nothing is decided or changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devbox.errors import SyncHalted
from devbox.ports.tree import Entry, Kind, Tree
from devbox.sync import plan as planning
from devbox.sync import scan
from devbox.sync.ignore import Ignore, of_tree
from devbox.sync.index import Index
from devbox.sync.model import Record, View, parent_of
from devbox.sync.place import Place


@dataclass(slots=True)
class Looking:
    """The eyes of a session."""

    place: Place
    index: Index
    ignore: Ignore = field(init=False)
    skipped: dict[bytes, str] = field(default_factory=dict)
    clashed: set[bytes] = field(default_factory=set)
    """Paths where something else stood on the host than expected: it is asked before the next try."""

    def __post_init__(self) -> None:
        self.reload_rules()

    def reload_rules(self) -> None:
        """Read the ignore files anew."""
        self.ignore = of_tree(self.place.root, self.place.ignore)

    def whole(self, tree: Tree, take_local: frozenset[bytes], may_be_empty: bool) -> View:
        """Everything on both sides. An empty local tree is a halt unless it was said that it may be."""
        found, records = self._scan_all(), self.index.records()
        if records and not found.entries and not may_be_empty:
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
        return View(found.entries, records, remote, self.index.intents(), take_local)

    def part(self, tree: Tree, paths: Iterable[bytes], subtrees: Iterable[bytes]) -> View:
        """What is in doubt here; what the host has is what the index says until it says otherwise."""
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
        near = {*wanted, *found.entries, *records}
        intents = self.index.intents()
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
        above = {one for path in paths for one in planning.above(path)}
        near = unclear & (paths | above)
        self.clashed -= near
        return paths | near, bool(near)

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


def _remote_of(tree: Tree, paths: set[bytes], records: Mapping[bytes, Record]) -> Mapping[bytes, Entry]:
    """What stands there at these paths, really."""
    folders = {parent_of(path) for path in paths}
    folders |= {path for path, one in records.items() if one.local.kind is Kind.DIRECTORY}
    found = tree.scan(sorted(folders))
    return {path: entry for path, entry in found.items() if path in paths}


def _moved_folders(moves: Iterable[tuple[bytes, bytes]], folders: set[bytes]) -> set[bytes]:
    """Where the known folders are on the host if those renames happened."""
    pairs = [(old, new, one) for old, new in moves for one in folders]
    return {new + one[len(old) :] for old, new, one in pairs if one == old or one.startswith(old + b"/")}
