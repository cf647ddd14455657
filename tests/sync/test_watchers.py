"""The contract of `Watcher`, held by inotify and by what macOS and Windows get; a session over the latter."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.adapters.anywhere import Anywhere
from devbox.adapters.inotify import Inotify
from tests.contracts.watcher_contract import WatcherContract, covers
from tests.sync.test_session import Bench, fill, picture, wanted


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
    assert session.flush().done.wait(30)
    for number in range(5):
        (bench.here / "app.py").write_text(f"number {number}")
        (bench.here / f"new{number}" / "deep").mkdir(parents=True)
        (bench.here / f"new{number}" / "deep" / "f").write_text("x")
        assert session.flush().done.wait(30)
        assert picture(bench.there) == wanted(bench.here)
    stop.set()
    session.wake()
    thread.join(10)
    session.close()
