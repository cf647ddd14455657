"""Folders renamed under watch: one request for the rename, whatever is in them and whatever else happened."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devbox.adapters.inotify import Inotify
from devbox.ports.events import Event
from devbox.sync.index import Index
from devbox.sync.session import Session
from tests.sync.bench import LIMIT, Bench, picture


@pytest.fixture(params=[True, False], ids=["helper", "sftp"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    bench = Bench(tmp_path / "here", tmp_path / "there", tmp_path / "state", helped=request.param)
    for folder in ("a/deep/er", "b", "other"):
        (bench.here / folder).mkdir(parents=True)
    for number in range(30):
        for folder in ("a", "a/deep/er", "b"):
            path = bench.here / folder / f"f{number}"
            path.write_text(f"{folder} {number}")
            os.utime(path, (10**9, 10**9))  # old enough to be sure of
    return bench


@contextmanager
def watched(bench: Bench, burst: Callable[[], object]) -> Iterator[Session]:
    """A session that watches. All of `burst` happens at once, while the watching thread is busy."""

    def listen(event: Event) -> None:
        bench.events.append(event)
        if event.kind == "sync.ready" and len([one for one in bench.events if one.kind == "sync.ready"]) == 1:
            burst()

    session, stop = Session(bench.place(), bench.connect, listen), threading.Event()
    watch = lambda place, covers: Inotify(place.root, covers)  # noqa: E731 - short, and used once
    thread = threading.Thread(target=session.watch, args=(watch, stop))
    thread.start()
    try:
        yield session
    finally:
        stop.set()
        session.wake()
        thread.join(LIMIT)
        session.close()
        assert not thread.is_alive()


def settled(bench: Bench, session: Session) -> dict[str, object]:
    """Everything is there, the index agrees; the report of it."""
    request = session.flush()
    assert request.done.wait(LIMIT)
    assert picture(bench.there) == picture(bench.here)
    index = Index(bench.state / "index.sqlite")
    known = {os.fsdecode(path) for path in index.records()}
    index.close()
    assert known == picture(bench.here).keys()
    return request.report


def applied(bench: Bench) -> list[tuple[object, object]]:
    """What was done on the host after the watch was ready: operation and path."""
    kinds = [one.kind for one in bench.events]
    later = bench.events[kinds.index("sync.ready") :]
    return [(one.data["operation"], one.data["path"]) for one in later if one.kind == "sync.applied"]


def test_a_rename_goes_first_and_alone(bench: Bench) -> None:
    """With an edit, a new file and a delete in it: those follow, everything else stays as it is."""

    def burst() -> None:
        (bench.here / "a/f1").write_text("edited before")
        (bench.here / "a").rename(bench.here / "other/new")
        (bench.here / "other/new/deep/er/f2").write_text("edited after")
        (bench.here / "other/new/deep/more").mkdir()
        (bench.here / "other/new/deep/more/f").write_text("made after")
        (bench.here / "other/new/f3").unlink()

    with watched(bench, burst) as session:
        settled(bench, session)
        done = applied(bench)
        assert done[0] == ("move", "a")
        assert sorted(done[1:], key=str) == [
            ("delete", "other/new/f3"),
            ("mkdir", "other/new/deep/more"),
            ("put", "other/new/deep/er/f2"),
            ("put", "other/new/deep/more/f"),
            ("put", "other/new/f1"),
        ]
        (bench.here / "other/new/deep/more/f").write_text("every folder is watched under its new name")
        settled(bench, session)


def test_several_renames_after_another(bench: Bench) -> None:
    """Two folders change places, one goes on to a third name, one into the other."""
    inodes: list[int] = []

    def burst() -> None:
        inodes.extend((bench.there / name).stat().st_ino for name in ("a", "b"))
        (bench.here / "a").rename(bench.here / "aside")
        (bench.here / "b").rename(bench.here / "a")
        (bench.here / "aside").rename(bench.here / "b")
        (bench.here / "b/deep").rename(bench.here / "b/deeper")
        (bench.here / "b/deeper").rename(bench.here / "a/deep")

    with watched(bench, burst) as session:
        settled(bench, session)
        (bench.here / "a/deep/er/f1").write_text("1")
        (bench.here / "b/f1").write_text("2")
        settled(bench, session)
        (bench.here / "a").rename(bench.here / "once more")
        settled(bench, session)
        assert (bench.there / "once more").stat().st_ino in inodes


def test_over_an_empty_folder_and_out_of_the_tree(bench: Bench) -> None:
    outside = bench.here.parent / "outside"

    def burst() -> None:
        (bench.here / "a").rename(bench.here / "other")  # replaces it
        (bench.here / "b").rename(outside)
        (bench.here / "b").mkdir()
        (bench.here / "b/f1").write_text("another")

    with watched(bench, burst) as session:
        session.rounds.brake.confirmed = True  # most of the tree goes by this
        settled(bench, session)
        outside.rename(bench.here / "other/back")
        (bench.here / "other/back/f1").write_text("seen")
        settled(bench, session)


def test_what_the_host_made_of_the_old_folder_is_asked(bench: Bench) -> None:
    """It was removed there behind our back, and a stranger stands under the new name of the other one."""

    def burst() -> None:
        (bench.there / "a").rename(bench.there.parent / "taken away")
        (bench.there / "c").mkdir()
        (bench.there / "c/stranger").write_text("kept")
        (bench.here / "a").rename(bench.here / "new")
        (bench.here / "b").rename(bench.here / "c")

    with watched(bench, burst) as session:
        report: dict[str, object] = {}
        request = session.flush()
        assert request.done.wait(LIMIT)
        report = request.report
        assert (report["state"], report["problems"], report["conflicts"]) == ("in step", {}, {})
        assert (bench.there / "c/stranger").read_text() == "kept"
        (bench.there / "c/stranger").unlink()
        settled(bench, session)


def test_rules_that_come_and_go_with_a_folder(bench: Bench) -> None:
    """The rules of a folder are those that stand in it now, whatever stood under that name before."""
    (bench.here / "a/.gitignore").write_text("deep/\n")

    def burst() -> None:
        (bench.here / "a").rename(bench.here / "ruled")
        (bench.here / "b").rename(bench.here / "a")
        (bench.here / "a/deep").mkdir()
        (bench.here / "a/deep/f").write_text("not ignored here")

    with watched(bench, burst) as session:
        assert session.flush().done.wait(LIMIT)
        assert (bench.there / "a/deep/f").read_text() == "not ignored here"
        assert not (bench.there / "ruled/deep").exists()
        (bench.here / "a/deep/f").write_text("watched as well")
        assert session.flush().done.wait(LIMIT)
        assert (bench.there / "a/deep/f").read_text() == "watched as well"
        (bench.here / "a").rename(bench.here / "plain")
        (bench.here / "ruled").rename(bench.here / "a")
        (bench.here / "a/deep/unsent").write_text("ignored here")
        (bench.here / "a/sent").write_text("1")
        assert session.flush().done.wait(LIMIT)
        assert (bench.there / "a/sent").exists()
        assert not (bench.there / "a/deep").exists()
