"""Decisions as values: what a view leads to."""

from __future__ import annotations

from collections.abc import Mapping

from devbox.ports.tree import Entry, Kind, MakeDirectory, Move, Operation, Put
from devbox.sync.model import Local, Record, View
from devbox.sync.plan import make
from devbox.sync.scan import LocalFile


def _folder(inode: int) -> Local:
    return Local(Kind.DIRECTORY, inode=inode, mode=0o755)


def _file(inode: int) -> Local:
    return Local(Kind.FILE, 5, 1, 1, inode)


def _agreed(local: Local) -> Record:
    return Record(local, Entry(local.kind, local.size, local.mtime_ns), b"digest")


def _planned(
    local: Mapping[bytes, Local], known: Mapping[bytes, Local], intents: Mapping[bytes, tuple[Entry, ...]]
) -> list[Operation]:
    view = View(local, {path: _agreed(one) for path, one in known.items()}, None, intents)
    return list(make(view, lambda path, one: LocalFile(path, one)).operations)


BEFORE = {b"old": _folder(1), b"old/f": _file(2)}
AFTER = {b"new": _folder(1), b"new/f": _file(2)}


def test_a_renamed_folder_is_renamed() -> None:
    assert _planned(AFTER, BEFORE, {}) == [Move(b"old", b"new")]


def test_what_an_interrupted_run_left_in_a_folder_does_not_move_along() -> None:
    operations = _planned(AFTER, BEFORE, {b"old/unknown": (Entry(Kind.FILE, 9),)})
    assert not any(isinstance(one, Move) for one in operations)
    assert {one.path for one in operations if isinstance(one, Put)} == {b"new/f"}


def test_nothing_is_moved_into_what_is_still_a_file_there() -> None:
    known = {**BEFORE, b"d": _file(7)}
    local = {b"d": _folder(8), b"d/new": _folder(1), b"d/new/f": _file(2)}
    operations = _planned(local, known, {})
    assert not any(isinstance(one, Move) for one in operations)
    assert [one.path for one in operations if isinstance(one, MakeDirectory)] == [b"d", b"d/new"]
