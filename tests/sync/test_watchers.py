"""The contract of `Watcher`, held by inotify and by what macOS and Windows get; a session over the latter."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.anywhere import Anywhere
from devbox.adapters.inotify import Inotify
from tests.contracts.watcher_contract import WatcherContract, covers, seen, until
from tests.sync.bench import LIMIT, Bench, fill, picture, wanted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "old").mkdir(parents=True)
    (root / "old" / "inside").write_text("1")
    return root


class TestInotify(WatcherContract):
    @pytest.fixture
    def watcher(self, root: Path) -> Iterator[Inotify]:
        watcher = Inotify(os.fsencode(root), covers)
        yield watcher
        watcher.close()

    def test_renames_of_folders_are_told_as_such(self, root: Path, watcher: Inotify) -> None:
        (root / "ignored").mkdir()
        (root / "old").rename(root / "new")
        (root / "new").rename(root / "newer")
        (root / "newer").rename(root / "ignored/out of sight")
        changes = watcher.wait(0)
        assert changes.moves == ((b"old", b"new"), (b"new", b"newer"))
        assert {b"old", b"new", b"newer"} <= changes.ready

    def test_what_was_ignored_under_the_old_name_is_watched_under_the_new_one(
        self, root: Path, watcher: Inotify
    ) -> None:
        (root / "ignored").mkdir()
        (root / "ignored/deep").mkdir()
        assert not seen(watcher.wait(0))
        (root / "ignored").rename(root / "told")
        until(watcher, b"told/deep")
        (root / "told/deep/f").write_text("1")
        until(watcher, b"told/deep/f")

    def test_a_folder_made_just_before_a_rename_is_watched(self, root: Path, watcher: Inotify) -> None:
        """It has no watch under the old name any more; what comes into it until it has one is in doubt."""
        (root / "old/young").mkdir()
        (root / "old").rename(root / "new")
        changes = watcher.wait(0)
        assert changes.moves == ((b"old", b"new"),)
        (root / "new/young/f").write_text("1")
        assert b"new/young" in watcher.wait(0).subtrees
        (root / "new/young/g").write_text("1")
        until(watcher, b"new/young/g")


class TestAnywhere(WatcherContract):
    @pytest.fixture
    def watcher(self, root: Path) -> Iterator[Anywhere]:
        watcher = Anywhere(os.fsencode(root), covers)
        yield watcher
        watcher.close()


def test_a_session_that_watches_as_on_macos(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    bench = Bench(tmp_path / "here", tmp_path / "there", tmp_path / "state")
    fill(bench.here)
    session, stop = bench.session(), threading.Event()
    watch = lambda place, ignored: Anywhere(place.root, ignored)  # noqa: E731 - short, and used once
    thread = threading.Thread(target=session.watch, args=(watch, stop))
    thread.start()
    assert session.flush().done.wait(LIMIT)
    for number in range(5):
        (bench.here / "app.py").write_text(f"number {number}")
        (bench.here / f"new{number}" / "deep").mkdir(parents=True)
        (bench.here / f"new{number}" / "deep" / "f").write_text("x")
        assert session.flush().done.wait(LIMIT)
        assert picture(bench.there) == wanted(bench.here)
    stop.set()
    session.wake()
    thread.join(LIMIT)
    assert not thread.is_alive()
    session.close()
