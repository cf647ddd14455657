"""Looking at a tree that changes under the eyes."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import cast

import pytest

from devbox.adapters.inotify import Inotify
from devbox.ports.tree import Entry, Kind, Tree
from devbox.sync.ignore import Ignore
from devbox.sync.index import Index
from devbox.sync.looking import Looking
from devbox.sync.model import Local, Record
from devbox.sync.place import Place
from devbox.sync.rules import RuleFile, parse
from devbox.sync.scan import Found, look, scan


class Vanishing(Ignore):
    """Takes one file away in the middle: after the folder was listed, before the file is looked at."""

    def __init__(self, root: Path, victim: bytes) -> None:
        super().__init__(os.fsencode(root), RuleFile(b"", ()), ())
        self.place, self.victim = root, victim

    def suspects(self, folder: bytes, names: Collection[bytes]) -> Collection[bytes]:
        return names

    def covers(self, path: bytes, is_directory: bool) -> bool:
        if path == self.victim:
            (self.place / os.fsdecode(path)).unlink()
        return False


def test_a_file_that_goes_meanwhile_takes_nothing_with_it(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "inside").touch()
        (tmp_path / f"f{number}").touch()
    found = Found()
    scan(os.fsencode(tmp_path), Vanishing(tmp_path, b"f7"), b"", found)
    names = {
        *(f"d{n}" for n in range(20)),
        *(f"d{n}/inside" for n in range(20)),
        *(f"f{n}" for n in range(20)),
    }
    assert {os.fsdecode(path) for path in found.entries} == names - {"f7"}


def _nothing_ignored(root: Path) -> Ignore:
    return Ignore(os.fsencode(root), parse(b""), ())


@pytest.mark.parametrize("target", ["real", "loop"])
def test_nothing_stands_below_a_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "f").touch()
    (tmp_path / "loop").symlink_to("loop")
    link = tmp_path / "link" if target == "real" else tmp_path / "loop"
    if target == "real":
        link.symlink_to("real")
    found, root = Found(), os.fsencode(tmp_path)
    for path in (b"deep", b"deep/f"):
        look(root, _nothing_ignored(tmp_path), os.fsencode(link.name) + b"/" + path, found)
    scan(root, _nothing_ignored(tmp_path), os.fsencode(link.name), found)
    scan(root, _nothing_ignored(tmp_path), os.fsencode(link.name) + b"/deep", found)
    assert found.entries == {}


def test_a_folder_has_no_member_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    watcher = Inotify(os.fsencode(tmp_path), lambda path, folder: False)
    (tmp_path / "d").chmod(0o700)
    (tmp_path).chmod(0o700)
    seen = watcher.wait(5).merged(watcher.wait(0))
    watcher.close()
    assert {*seen.ready, *seen.open} == {b"d"}


class Renaming(Ignore):
    """The user renames the folder of a file just after that file was looked at."""

    def covers(self, path: bytes, is_directory: bool) -> bool:
        if path == b"d/f" and (Path(os.fsdecode(self._root)) / "d").exists():
            os.rename(os.path.join(self._root, b"d"), os.path.join(self._root, b"e"))
        return super().covers(path, is_directory)


def test_a_folder_that_goes_while_a_file_in_it_is_looked_at_is_not_half_a_delete(tmp_path: Path) -> None:
    """Its files are in the index too: whoever removes the folder alone forgets them."""
    place = Place(os.fsencode(tmp_path), "/there", "host", tmp_path.with_name("state"))
    index = Index(place.state / "index.sqlite")
    for path, kind in ((b"d", Kind.DIRECTORY), (b"d/f", Kind.FILE), (b"d/g", Kind.FILE)):
        index.agree(path, Record(Local(kind), Entry(kind), b"digest"))
    looking = Looking(place, index)
    looking.ignore = Renaming(place.root, parse(b""), ())
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()
    view = looking.part(cast(Tree, None), [b"d/f"], [])  # the host is not asked
    assert b"d" not in view.records
    index.close()
