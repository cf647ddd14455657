"""Folders in step are passed over; whatever changes in them on either side is seen all the same."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.tree import Survey, Tree
from devbox.sync.model import Report
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.sync.pipes import Pipes, sftp_server

OLD = time.time() - 1000


class Watched(BestTree):
    """Counts what it lists."""

    listed = -1

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        found = super().survey(marks)
        self.listed = len(found.entries)
        return found


class Ground:
    def __init__(self, base: Path) -> None:
        self.here, self.there, self.state = base / "here", base / "there", base / "state"
        self.here.mkdir()
        self.trees: list[Watched] = []

    def helper(self) -> Tree:
        self.trees.append(Watched(lambda: Pipes("sh", "-c", COMMAND), sftp_server, str(self.there)))
        return self.trees[-1]

    def sftp(self) -> Tree:
        return SftpTree(sftp_server(), str(self.there))

    def run(self, connect: Callable[[], Tree] | None = None) -> Report:
        place = Place(os.fsencode(self.here), str(self.there), "host", self.state)
        session = Session(place, connect or self.helper, lambda event: None)
        try:
            return session.run_once()
        finally:
            session.close()

    @property
    def listed(self) -> int:
        return self.trees[-1].listed

    def write(self, path: str, text: str) -> None:
        file = self.here / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (OLD, OLD))


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    ground = Ground(tmp_path)
    for folder in ("a", "a/deep", "b"):
        for name in ("one", "two"):
            ground.write(f"{folder}/{name}", f"{folder} {name}")
    ground.write("top", "top")
    assert ground.run().put == 7
    assert ground.run().put == 0
    assert ground.listed == 0, "after the first run everything is known again by its marks"
    return ground


def test_a_file_changed_on_the_host_is_reported(ground: Ground) -> None:
    (ground.there / "a/deep/one").write_text("made on the host")
    ground.write("a/deep/one", "and here")
    assert ground.run().conflicts == {b"a/deep/one": "changed on the host"}
    assert (ground.there / "a/deep/one").read_text() == "made on the host"


def test_a_change_on_the_host_alone_is_reported(ground: Ground) -> None:
    (ground.there / "b/two").write_text("B TWO")
    assert b"b/two" in ground.run().conflicts
    assert ground.listed == 2, "only the folder that changed is listed"
    assert b"b/two" in ground.run().conflicts, "and it stays reported"


def test_a_change_on_the_host_that_keeps_size_and_time_is_reported(ground: Ground) -> None:
    file = ground.there / "b/two"
    before = file.stat()
    file.write_text("x" * before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert b"b/two" in ground.run().conflicts


def test_what_went_on_the_host_is_sent_again(ground: Ground) -> None:
    (ground.there / "a/deep/two").unlink()
    assert ground.run().put == 1
    assert (ground.there / "a/deep/two").read_text() == "a/deep two"
    ground.run()
    assert ground.listed == 0


def test_a_folder_that_went_on_the_host_is_sent_again(ground: Ground) -> None:
    for name in ("one", "two"):
        (ground.there / "a/deep" / name).unlink()
    (ground.there / "a/deep").rmdir()
    assert ground.run().put == 2
    assert (ground.there / "a/deep/two").read_text() == "a/deep two"


def test_strangers_on_the_host_are_met(ground: Ground) -> None:
    (ground.there / "a/stranger").write_text("from the host")
    assert ground.run().clean
    assert ground.run().clean
    assert ground.listed == 0, "a stranger that stays is no reason to list the folder for ever"
    ground.write("a/stranger", "from here, other")
    assert b"a/stranger" in ground.run().conflicts
    assert (ground.there / "a/stranger").read_text() == "from the host"


def test_changes_here_cost_their_folder_only(ground: Ground) -> None:
    ground.write("a/deep/one", "newer")
    assert ground.run().put == 1
    assert ground.listed == 2
    (ground.here / "b/one").unlink()
    ground.write("b/three", "3")
    report = ground.run()
    assert (report.put, report.removed) == (1, 1)
    assert sorted(os.listdir(ground.there / "b")) == ["three", "two"]


def test_a_folder_renamed_here_is_renamed_there(ground: Ground) -> None:
    inode = (ground.there / "a/deep/one").stat().st_ino
    os.rename(ground.here / "a/deep", ground.here / "a/deeper")
    assert ground.run().moved == 1
    assert (ground.there / "a/deeper/one").stat().st_ino == inode
    assert ground.run().clean
    assert (ground.run().put, ground.listed) == (0, 0)


def test_an_ignore_rule_that_comes_and_goes(ground: Ground) -> None:
    ground.write(".gitignore", "one\n")
    ground.run()
    ground.write("b/one", "newer, while it was ignored")
    (ground.here / ".gitignore").unlink()
    ground.run()
    assert (ground.there / "b/one").read_text() == "newer, while it was ignored"


def test_over_plain_sftp_everything_is_listed(ground: Ground) -> None:
    (ground.there / "b/two").write_text("longer than before")
    assert b"b/two" in ground.run(ground.sftp).conflicts


def test_a_young_file_has_no_mark(ground: Ground) -> None:
    (ground.here / "b/one").write_text("just now")
    soon = time.time() + 600  # young whatever this machine does meanwhile
    os.utime(ground.here / "b/one", (soon, soon))
    ground.run()
    assert ground.run().clean
    assert ground.listed == 2
