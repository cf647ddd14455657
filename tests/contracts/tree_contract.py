"""What every `Tree` must do, whatever it speaks.

A test class mixes this in and has fixtures `tree` (prepared, empty) and `root` (its folder, seen from here).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devbox.ports.tree import (
    Entry,
    Kind,
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
    SourceChanged,
    Survey,
    Tree,
    new_digest,
    staging_of,
)

WHEN = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Bytes:
    """A source that holds what it says."""

    data: bytes

    def chunks(self, size: int) -> Iterator[bytes]:
        for start in range(0, len(self.data), size):
            yield self.data[start : start + size]


@dataclass(frozen=True)
class Shaky:
    """A source that changes while it is read."""

    def chunks(self, size: int) -> Iterator[bytes]:
        yield b"half of "
        raise SourceChanged("it changed")


def put(path: bytes, data: bytes, *expects: Entry, force: bool = False, mode: int = 0o644) -> Put:
    return Put(path, Bytes(data), len(data), WHEN, mode, expects, force)


def do(tree: Tree, *operations: Operation) -> list[Outcome]:
    """One wave; outcomes in the order of the operations."""
    found = {id(outcome.operation): outcome for outcome in tree.apply([operations], lambda count: None)}
    return [found[id(operation)] for operation in operations]


def one(tree: Tree, operation: Operation) -> Outcome:
    (outcome,) = do(tree, operation)
    return outcome


class TreeContract:
    many = 1500
    """More than are under way at once."""

    def test_a_file_arrives_with_bytes_mode_time_and_digest(self, tree: Tree, root: Path) -> None:
        outcome = one(tree, put(b"run.sh", b"#!/bin/sh\n", mode=0o755))
        assert outcome.result is Result.DONE
        assert (root / "run.sh").read_bytes() == b"#!/bin/sh\n"
        state = (root / "run.sh").stat()
        assert (state.st_mode & 0o7777, state.st_mtime_ns) == (0o755, WHEN)
        digest = new_digest()
        digest.update(b"#!/bin/sh\n")
        assert outcome.digest == digest.digest()

    @pytest.mark.parametrize("size", [0, 1, 32768, 32769, 300_000, 9_000_001])
    def test_every_size(self, tree: Tree, root: Path, size: int) -> None:
        data = os.urandom(size)
        assert one(tree, put(b"blob", data)).result is Result.DONE
        assert (root / "blob").read_bytes() == data

    @pytest.mark.parametrize("name", [b"a\nb", b"\xff\xfe", b" lead", b"x" * 255, b"-rf", b"*?[", b"'\"$`"])
    def test_names_are_bytes(self, tree: Tree, root: Path, name: bytes) -> None:
        assert one(tree, put(name, b"1")).result is Result.DONE
        assert name in os.listdir(os.fsencode(root))
        assert name in tree.scan([b""])
        assert one(tree, Remove(name, (tree.scan([b""])[name],))).result is Result.DONE
        assert os.listdir(os.fsencode(root)) == []

    def test_many_at_once_all_arrive(self, tree: Tree, root: Path) -> None:
        outcomes = do(tree, *[put(b"f%d" % number, b"%d" % number) for number in range(self.many)])
        assert all(outcome.result is Result.DONE for outcome in outcomes)
        assert all((root / f"f{number}").read_text() == str(number) for number in range(self.many))

    def test_replacing_wants_what_stands_there(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"one"))
        assert first.entry is not None
        assert one(tree, put(b"f", b"three", first.entry)).result is Result.DONE
        assert (root / "f").read_bytes() == b"three"

    def test_what_is_not_expected_is_left_alone(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"one"))
        assert first.entry is not None
        (root / "f").write_bytes(b"made on the host")
        for operation in (
            put(b"f", b"two", first.entry),
            put(b"f", b"two"),
            Remove(b"f", (first.entry,)),
            Remove(b"f"),
            PutLink(b"f", b"elsewhere"),
            SetMeta(b"f", 0o755, WHEN, (first.entry,)),
            Move(b"f", b"g", (first.entry,)),
        ):
            outcome = one(tree, operation)
            assert outcome.result is Result.CONFLICT, operation
            assert outcome.entry is not None
            assert outcome.entry.size == len(b"made on the host")
        assert (root / "f").read_bytes() == b"made on the host"
        assert os.listdir(root) == ["f"]

    def test_force_takes_ours(self, tree: Tree, root: Path) -> None:
        (root / "f").write_bytes(b"theirs")
        assert one(tree, put(b"f", b"ours", force=True)).result is Result.DONE
        assert (root / "f").read_bytes() == b"ours"
        assert one(tree, Remove(b"f", force=True)).result is Result.DONE
        assert not (root / "f").exists()

    def test_a_directory_is_never_replaced_by_a_file(self, tree: Tree, root: Path) -> None:
        (root / "d").mkdir()
        assert one(tree, put(b"d", b"x", force=True)).result is Result.CONFLICT
        assert one(tree, Remove(b"d", force=True)).result is Result.CONFLICT
        assert (root / "d").is_dir()

    def test_replacing_is_a_rename_not_a_truncate(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"old bytes"))
        assert first.entry is not None
        with (root / "f").open("rb") as reader:
            one(tree, put(b"f", b"new", first.entry))
            assert reader.read() == b"old bytes"

    def test_in_place_keeps_the_inode(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"a longer text"))
        assert first.entry is not None
        inode = (root / "f").stat().st_ino
        operation = Put(b"f", Bytes(b"short"), 5, WHEN, 0o644, (first.entry,), in_place=True)
        assert one(tree, operation).result is Result.DONE
        assert ((root / "f").read_bytes(), (root / "f").stat().st_ino) == (b"short", inode)

    def test_a_source_that_changes_leaves_everything_as_it_was(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"before"))
        assert first.entry is not None
        outcome = one(tree, Put(b"f", Shaky(), 20, WHEN, 0o644, (first.entry,)))
        assert outcome.result is Result.UNSTABLE
        assert (root / "f").read_bytes() == b"before"

    def test_nothing_is_left_in_staging(self, tree: Tree, root: Path) -> None:
        one(tree, put(b"f", b"1"))
        one(tree, put(b"f", b"2"))
        one(tree, Put(b"f", Shaky(), 20, WHEN, 0o644, force=True))
        one(tree, put(b"no/such/folder", b"3"))
        assert [name for name in os.listdir(staging_of(str(root))) if name != "root"] == []

    def test_directories_deep_in_one_wave(self, tree: Tree, root: Path) -> None:
        deep = [b"/".join([b"d"] * depth) for depth in range(1, 30)]
        assert {o.result for o in do(tree, *[MakeDirectory(path) for path in deep])} == {Result.DONE}
        assert {o.result for o in do(tree, *[MakeDirectory(path) for path in deep])} == {Result.DONE}
        assert {o.result for o in do(tree, *[RemoveDirectory(path) for path in deep[::-1]])} == {Result.DONE}
        assert os.listdir(root) == []

    def test_waves_follow_each_other(self, tree: Tree, root: Path) -> None:
        waves: list[list[Operation]] = [[MakeDirectory(b"d")], [put(b"d/f", b"1")], [Move(b"d", b"e")]]
        outcomes = list(tree.apply(waves, lambda count: None))
        assert [outcome.result for outcome in outcomes] == [Result.DONE] * 3
        assert (root / "e/f").read_bytes() == b"1"

    def test_a_directory_with_strangers_is_kept(self, tree: Tree, root: Path) -> None:
        (root / "d").mkdir()
        (root / "d" / "made-there").write_text("x")
        assert one(tree, RemoveDirectory(b"d")).result is Result.KEPT
        assert one(tree, RemoveDirectory(b"gone")).result is Result.DONE
        assert (root / "d" / "made-there").exists()

    def test_a_file_where_a_directory_should_be_is_a_conflict(self, tree: Tree, root: Path) -> None:
        (root / "d").write_text("x")
        assert one(tree, MakeDirectory(b"d")).result is Result.CONFLICT
        assert (root / "d").read_text() == "x"

    def test_links(self, tree: Tree, root: Path) -> None:
        first = one(tree, PutLink(b"l", b"target"))
        assert first.result is Result.DONE
        assert first.entry is not None
        assert one(tree, PutLink(b"l", b"other", (first.entry,))).result is Result.DONE
        assert os.readlink(root / "l") == "other"
        assert tree.scan([b""])[b"l"].target == b"other"
        assert one(tree, PutLink(b"l", b"third", (first.entry,))).result is Result.CONFLICT
        assert one(tree, put(b"l", b"now a file", tree.scan([b""])[b"l"])).result is Result.DONE
        assert not (root / "l").is_symlink()

    @pytest.mark.parametrize("target", [b"f", b"../up/f", b"no such thing", b"\xff\n", b"x" * 1000])
    def test_links_keep_their_target_byte_by_byte(self, tree: Tree, root: Path, target: bytes) -> None:
        do(tree, MakeDirectory(b"d"))
        first, second = do(tree, PutLink(b"l", target), PutLink(b"d/l", target))
        assert (first.result, second.result) == (Result.DONE, Result.DONE)
        assert os.readlink(os.fsencode(root / "l")) == os.readlink(os.fsencode(root / "d/l")) == target
        assert sorted(os.listdir(root)) == ["d", "l"]
        assert os.listdir(root / "d") == ["l"]
        assert os.listdir(staging_of(str(root))) == ["root"]

    def test_meta(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"f", b"1"))
        assert first.entry is not None
        changed = one(tree, SetMeta(b"f", 0o755, WHEN + 10**9, (first.entry,)))
        assert changed.result is Result.DONE
        assert changed.entry is not None
        state = (root / "f").stat()
        assert (state.st_mode & 0o7777, state.st_mtime_ns) == (0o755, WHEN + 10**9)
        assert one(tree, put(b"f", b"2", changed.entry)).result is Result.DONE

    def test_moves(self, tree: Tree, root: Path) -> None:
        first = one(tree, put(b"a", b"1"))
        assert first.entry is not None
        assert one(tree, Move(b"a", b"b", (first.entry,))).result is Result.DONE
        assert (root / "b").read_bytes() == b"1"
        (root / "c").write_text("mine")
        assert one(tree, Move(b"b", b"c", (first.entry,))).result is Result.CONFLICT
        assert one(tree, Move(b"gone", b"x", (first.entry,))).result is Result.FAILED
        assert (root / "c").read_text() == "mine"

    def test_scan_sees_what_apply_said(self, tree: Tree, root: Path) -> None:
        do(tree, MakeDirectory(b"d"))
        outcomes = do(tree, put(b"d/f", b"12345"), PutLink(b"d/l", b"f"))
        (root / "d" / "more").mkdir()
        found = tree.scan([b"", b"d", b"nowhere"])
        assert set(found) == {b"d", b"d/f", b"d/l", b"d/more"}
        for path, outcome in zip((b"d/f", b"d/l"), outcomes, strict=True):
            assert outcome.entry is not None
            assert found[path].matches(outcome.entry)
        assert (found[b"d"].kind, found[b"d/more"].kind) == (Kind.DIRECTORY, Kind.DIRECTORY)

    def test_nothing_is_looked_at_over_a_link(self, tree: Tree, root: Path) -> None:
        (root / "real/deep").mkdir(parents=True)
        (root / "real/deep/f").touch()
        (root / "l").symlink_to("real")
        assert set(tree.scan([b"l", b"l/deep"])) == set(tree.scan([b"l/deep"])) == set()
        assert set(tree.scan([b"", b"l", b"l/deep", b"real"])) == {b"l", b"real", b"real/deep"}
        assert tree.survey({b"": b"", b"l": b"", b"l/deep": b""}).entries.keys() == {b"l", b"real"}
        assert set(tree.scan([b"real/deep"])) == {b"real/deep/f"}

    def test_a_survey_passes_over_what_has_its_mark(self, tree: Tree, root: Path) -> None:
        do(tree, MakeDirectory(b"d"), MakeDirectory(b"e"))
        do(tree, put(b"d/f", b"1"), PutLink(b"d/l", b"f"), MakeDirectory(b"d/sub"))
        listed = tree.survey({b"d": b"", b"e": b"", b"nowhere": b""})
        assert (set(listed.entries), listed.same) == ({b"d/f", b"d/l", b"d/sub"}, frozenset())
        marks = {
            b"d": tree.mark({path[2:]: entry for path, entry in listed.entries.items()}),
            b"e": tree.mark({}),
        }
        if not marks[b"e"]:
            assert tree.abilities.lane == "sftp", "only plain SFTP sees too little for marks"
            return
        assert tree.survey(marks) == Survey({}, frozenset(marks))
        (root / "d/sub/below").touch()
        assert tree.survey(marks).same == frozenset(marks), "what is below a folder is not in it"
        (root / "d/f").chmod(0o600)
        assert tree.survey(marks).same == frozenset([b"e"])

    def test_scan_of_a_large_directory(self, tree: Tree, root: Path) -> None:
        for number in range(1000):
            (root / f"n{number}").touch()
        assert len(tree.scan([b""])) == 1000

    def test_digests_and_read(self, tree: Tree, root: Path) -> None:
        data = os.urandom(1_000_003)
        outcome = one(tree, put(b"blob", data))
        assert dict(tree.digests([b"blob", b"missing"])) == {b"blob": outcome.digest}
        assert b"".join(tree.read(b"blob")) == data
        with pytest.raises(FileNotFoundError):
            list(tree.read(b"missing"))

    def test_sent_bytes_are_counted(self, tree: Tree) -> None:
        counted: list[int] = []
        operations = [put(b"f", b"x" * 100_000), put(b"g", b"y" * 5)]
        list(tree.apply([operations], counted.append))
        assert sum(counted) == 100_005

    def test_idle_keeps_saves_right(self, tree: Tree, root: Path) -> None:
        for number in range(6):
            assert tree.idle() > 0
            assert one(tree, put(b"f", b"%d" % number, force=True)).result is Result.DONE
            assert (root / "f").read_bytes() == b"%d" % number

    def test_look_and_prepare(self, tree: Tree, root: Path) -> None:
        facts = tree.look()
        assert (facts.exists, facts.empty, facts.token) == (True, True, b"token")
        one(tree, put(b"f", b"1"))
        assert not tree.look().empty
        tree.prepare(b"token")
        assert (root / "f").exists()
