"""Folders in step are passed over; whatever changes in them on either side is seen all the same."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.tree import Survey, Tree
from devbox.sync.ignore import of_tree
from devbox.sync.index import Index
from devbox.sync.model import Report
from devbox.sync.place import Place
from devbox.sync.scan import Found, scan
from devbox.sync.session import Session
from tests.sync.pipes import Pipes, sftp_server

OLD = time.time() - 1000


class Watched(BestTree):
    """Counts what it lists."""

    listed = -1
    meanwhile: Callable[[], object] | None = None
    """Done once, after the local side was looked at and before the host says what it has."""

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        if self.meanwhile:
            for thread in threading.enumerate():
                if thread.name == "sync-look":
                    thread.join()
            self.meanwhile()
            self.meanwhile = None
        found = super().survey(marks)
        self.listed = len(found.entries)
        return found


class Ground:
    def __init__(self, base: Path) -> None:
        self.here, self.there, self.state = base / "here", base / "there", base / "state"
        self.here.mkdir()
        self.other = base / "other"
        self.trees: list[Watched] = []
        self.meanwhile: Callable[[], object] | None = None

    def helper(self) -> Tree:
        self.trees.append(Watched(lambda: Pipes("sh", "-c", COMMAND), sftp_server, str(self.there)))
        self.trees[-1].meanwhile, self.meanwhile = self.meanwhile, None
        return self.trees[-1]

    def elsewhere(self) -> Tree:
        """A root that nobody has marked yet."""
        return BestTree(lambda: Pipes("sh", "-c", COMMAND), sftp_server, str(self.other))

    def sftp(self) -> Tree:
        return SftpTree(sftp_server(), str(self.there))

    def run(self, connect: Callable[[], Tree] | None = None) -> Report:
        place = Place(os.fsencode(self.here), str(self.there), "host", self.state)
        session = Session(place, connect or self.helper, lambda event: None)
        try:
            return session.run_once()
        finally:
            session.close()

    def marks(self) -> dict[bytes, bytes]:
        """What is known of the folders here."""
        index = Index(self.state / "index.sqlite")
        try:
            return {path: one.here for path, one in index.marks().items()}
        finally:
            index.close()

    @property
    def listed(self) -> int:
        return self.trees[-1].listed

    def write(self, path: str, text: str) -> None:
        file = self.here / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (OLD, OLD))


def equal(one: Path, other: Path) -> bool:
    """Whether two trees have the same names and bytes."""
    return _content(one) == _content(other)


def _content(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


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


def test_what_is_passed_over_holds_no_memory(ground: Ground) -> None:
    found, marks = Found(), ground.marks()
    scan(os.fsencode(ground.here), of_tree(os.fsencode(ground.here), ()), b"", found, marks)
    assert found.entries.keys() == {b"a", b"a/deep", b"b"}
    assert found.passed == {b"", b"a", b"a/deep", b"b"}
    ground.write("b/one", "newer")
    found = Found()
    scan(os.fsencode(ground.here), of_tree(os.fsencode(ground.here), ()), b"", found, marks)
    assert found.entries.keys() == {b"a", b"a/deep", b"b", b"b/one", b"b/two"}


def test_another_root_gets_all_of_what_was_in_step(ground: Ground) -> None:
    assert ground.run(ground.elsewhere).put == 7
    assert equal(ground.here, ground.other)


@pytest.mark.parametrize("change", ["file", "folder", "kind", "gone", "root"])
def test_what_changes_here_after_it_was_passed_over(ground: Ground, change: str) -> None:
    (ground.there / "a/one").unlink()  # so that the folder is in doubt, and looked at again here

    def meanwhile() -> None:
        if change == "file":
            ground.write("a/three", "3")
            (ground.here / "a/two").unlink()
        elif change == "folder":
            ground.write("a/other/one", "in a new folder")
        elif change == "kind":
            shutil.rmtree(ground.here / "a/deep")
            ground.write("a/deep", "a file now")
        elif change == "gone":
            shutil.rmtree(ground.here / "a")
        else:
            ground.write("a/one", "a folder above goes at the same time")
            shutil.rmtree(ground.here / "b")

    ground.meanwhile = meanwhile
    ground.run()
    assert ground.run().clean
    assert equal(ground.here, ground.there)
    assert ground.run().clean
    assert ground.listed == 0


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
