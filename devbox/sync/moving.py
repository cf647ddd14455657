"""Folders renamed while somebody watches: the host renames them first, what is in them is looked at after.

Before anything is listed here or there, one request says it all, however much is in the folder. That is
allowed where the index is sure of both names; everywhere else the ordinary round finds the rename, or puts
and removes. Whatever else happened in the folder is found by that round as well: both names are in doubt.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from devbox.ports.tree import Kind, Move, Operation
from devbox.sync.brake import Brake
from devbox.sync.index import Index
from devbox.sync.looking import Looking
from devbox.sync.model import Plan, parent_of
from devbox.sync.place import Place

Pair = tuple[bytes, bytes]
"""Old and new name."""


@dataclass(frozen=True, slots=True)
class Moving:
    """Says which renames the host may follow unseen."""

    place: Place
    index: Index
    looking: Looking
    brake: Brake

    def plan(self, moves: Iterable[Pair]) -> Plan:
        """The renames, as far as they may be done."""
        sure = [pair for pair in moves if self._surely(*pair)]
        wave: list[Operation] = [Move(old, new) for old, new in sure]
        return Plan(waves=[wave] if wave else [], reasons={old: "renamed" for old, _ in sure})

    def _surely(self, old: bytes, new: bytes) -> bool:
        """Whether both sides have that folder under its old name, and nothing under the new one."""
        record, parent = self.index.record(old), parent_of(new)
        if record is None or not record.local.kind is record.remote.kind is Kind.DIRECTORY:
            return False
        above = self.index.record(parent) if parent else None
        if parent and (above is None or above.remote.kind is not Kind.DIRECTORY):
            return False
        if self.index.knows(new) or self.looking.ignore.covers(new, True):
            return False
        if any(self._open_at(path) for path in (old, new)):
            return False
        try:
            return os.lstat(self.place.here(new)).st_ino == record.local.inode
        except OSError:
            return False  # it has yet another name by now

    def _open_at(self, path: bytes) -> bool:
        """Whether anything at a path or below waits for something, or must not be renamed."""
        special = self.looking.clashed, self.brake.parked, self.place.in_place
        below = path + b"/"
        waiting = any(one == path or one.startswith(below) for paths in special for one in paths)
        return waiting or self.index.unsettled(path)


def apart(moves: Iterable[Pair]) -> Iterator[list[Pair]]:
    """In groups that follow each other: within one, no rename has to do with the others."""
    group: list[Pair] = []
    for pair in moves:
        if any(_related(one, other) for one in pair for others in group for other in others):
            yield group
            group = []
        group.append(pair)
    if group:
        yield group


def _related(one: bytes, other: bytes) -> bool:
    return one == other or one.startswith(other + b"/") or other.startswith(one + b"/")
