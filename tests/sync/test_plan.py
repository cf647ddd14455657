"""Decisions as values: what a view leads to."""

from __future__ import annotations

from collections.abc import Mapping

from devbox.ports.tree import Entry, Kind, MakeDirectory, Move, Operation, Put
from devbox.sync import plan as planning
from devbox.sync.analyse import hints, twins
from devbox.sync.brake import Brake
from devbox.sync.model import Local, Plan, Record, View
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


def _deleting(count: int, *more: bytes) -> tuple[View, Plan]:
    known = {b"%d" % number: _file(number) for number in range(count)}
    local = {path: _file(99) for path in more}
    view = View(local, {path: _agreed(one) for path, one in known.items()}, None)
    return view, make(view, lambda path, one: LocalFile(path, one))


class TestBrake:
    def test_a_mass_at_once(self) -> None:
        brake = Brake(lambda: 40)
        view, plan = _deleting(25)
        brake.hold(view, plan, 0.0)
        assert (len(brake.parked), plan.size) == (25, 0)

    def test_a_mass_that_comes_in_small_rounds(self) -> None:
        left = 40
        brake = Brake(lambda: left)
        for now in range(8):
            view, plan = _deleting(5)
            brake.hold(view, plan, now / 10)
            left -= planning.deletes(view, plan)
        assert left == 20, "half of it went before it was a mass"

    def test_what_went_long_ago_does_not_count(self) -> None:
        left = 40
        brake = Brake(lambda: left)
        for hour in range(7):
            view, plan = _deleting(5)
            brake.hold(view, plan, hour * 3600.0)
            left -= planning.deletes(view, plan)
        assert (left, brake.parked) == (5, set())

    def test_the_last_file_of_a_small_project(self) -> None:
        brake = Brake(lambda: 3)
        view, plan = _deleting(3)
        brake.hold(view, plan, 0.0)
        assert len(brake.parked) == 3
        view, plan = _deleting(3, b"new")
        brake.hold(view, plan, 0.0)
        assert planning.deletes(view, plan) == 3, "something else comes: it was renamed, not emptied"

    def test_what_comes_back_waits_no_longer(self) -> None:
        brake = Brake(lambda: 2)
        brake.hold(*_deleting(2), 0.0)
        brake.hold(View({b"0": _file(0)}, {}, None), Plan(), 1.0)
        assert brake.parked == {b"1"}


def _putting(sizes: Mapping[bytes, int]) -> Plan:
    local = {path: Local(Kind.FILE, size, 1, 1, 7) for path, size in sizes.items()}
    return make(View(local, {}, None), lambda path, one: LocalFile(path, one))


class TestAdvice:
    def test_huge_folders_that_look_generated_are_named(self) -> None:
        many = {b"web/node_modules/a/node_modules/%d" % number: 10 for number in range(2_500)}
        large = {b".venv/lib/big.so": 200_000_000, b"dist/small": 5, b"data/film": 900_000_000}
        venv, node = hints(_putting({**many, **large}))
        assert venv.startswith(".venv looks generated and holds 1 files, 200 MB")
        assert node.startswith("web/node_modules looks generated and holds 2500 files, 0 MB")
        assert node.endswith("add a line web/node_modules/ to .devboxignore")

    def test_names_that_are_one_elsewhere(self) -> None:
        composed, apart = "é".encode(), "e\u0301".encode()
        assert list(twins([b"Readme", b"README", b"other", composed, apart])) == [
            ("README", "Readme"),
            (apart.decode(), composed.decode()),
        ]
