"""A save never waits behind a large file. The order of the events tells, no clock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.inotify import Inotify
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.events import Event
from devbox.ports.tree import Move, Remove, Tree, staging_of
from devbox.ports.watcher import Changes
from devbox.sync.beside import PIECE, Beside
from devbox.sync.model import Plan
from devbox.sync.place import Place
from devbox.sync.session import Session
from devbox.sync.settle import Settling
from tests.sync.pipes import SERVER, Pipes

SIZE = 24 << 20


Carried = Callable[[int], None]


class Thin(Pipes):
    """A slow link: large pieces take their time. `carried` is told of each on the thread that sends it."""

    def __init__(self, carried: Carried, *command: str) -> None:
        super().__init__(*command)
        self._carried = carried

    def send(self, data: bytes) -> None:
        for at in range(0, len(data), 32768):
            piece = data[at : at + 32768]
            super().send(piece)
            time.sleep(0.002)
            self._carried(len(piece))


def helper(there: Path, carried: Carried) -> Tree:
    helping = lambda: Thin(carried, "sh", "-c", COMMAND)  # noqa: E731 - short, and used once
    return BestTree(helping, lambda: Thin(carried, str(SERVER)), str(there), "host")


def plain(there: Path, carried: Carried) -> Tree:
    return SftpTree(Thin(carried, str(SERVER)), str(there), "host")


class Bench:
    def __init__(self, base: Path, lane: Callable[[Path, Carried], Tree]) -> None:
        self.here, self.there, self.events = base / "here", base / "there", list[Event]()
        self.here.mkdir()
        (self.here / "app.py").write_text("0")
        self.carried, self.saves = 0, list[tuple[int, str, str]]()
        """Bytes; and what is saved as soon as so many have left: path and content."""
        self.applied: list[tuple[str, str]] = []
        """What was done there, in order, and the text that stood there when it was said."""
        place = Place(os.fsencode(self.here), str(self.there), "host", base / "state")
        self.session = Session(place, lambda: lane(self.there, self._carry), self._told)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.until(lambda: any(one.kind == "sync.ready" for one in self.events))

    def _run(self) -> None:
        self.session.watch(lambda place, covers: Inotify(place.root, covers), self.stop)

    def _carry(self, count: int) -> None:
        self.carried += count
        while self.saves and self.carried >= self.saves[0][0]:
            _when, name, text = self.saves.pop(0)
            (self.here / name).write_text(text)

    def _told(self, event: Event) -> None:
        self.events.append(event)
        if event.kind == "sync.applied":
            path = str(event.data["path"])
            small = (self.there / path).is_file() and not path.endswith(".bin")
            self.applied.append((path, (self.there / path).read_text() if small else ""))

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert self.thread.is_alive()
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.002)

    def large(self, name: str) -> None:
        """A large file comes whole: one that is written for seconds is sent in its middle, and once more."""
        aside = self.here.with_name("aside")
        aside.write_bytes(b"x" * SIZE)
        aside.rename(self.here / name)

    def begin(self, name: str) -> None:
        """Save a large file, and wait until some of it has arrived."""
        self.large(name)
        self.until(lambda: self._arrived() > 1 << 20)

    def _arrived(self) -> int:
        staging = Path(staging_of(str(self.there)))
        sizes = [0]
        for file in staging.iterdir():
            try:
                sizes.append(file.stat().st_size)
            except FileNotFoundError:
                continue
        return max(sizes)

    def close(self) -> None:
        self.stop.set()
        self.session.wake()
        self.thread.join()
        self.session.close()


@pytest.fixture(params=[helper, plain])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, request.param)
    yield bench
    bench.close()


def test_saves_overtake_a_large_file(bench: Bench) -> None:
    """Plain SFTP looks around every 4 MB."""
    bench.applied.clear()
    texts = [("app.py", "version 0"), ("app.py", "version 1"), ("app.py", "version 2"), ("new.py", "new")]
    bench.saves = [(bench.carried + number * SIZE // 6, *one) for number, one in enumerate(texts, 1)]
    bench.large("large.bin")
    bench.until(lambda: ("large.bin", "") in bench.applied)
    assert bench.applied == [*texts, ("large.bin", "")]
    assert (bench.there / "large.bin").stat().st_size == SIZE


def test_a_newer_version_overtakes_the_older(bench: Bench) -> None:
    bench.begin("large.bin")
    (bench.here / "large.bin").write_bytes(b"y" * SIZE)
    bench.until(lambda: (bench.there / "large.bin").exists())
    assert bench.session.flush().done.wait(60)
    assert (bench.there / "large.bin").read_bytes() == b"y" * SIZE


def test_what_happens_around_a_large_file_waits_for_it(bench: Bench) -> None:
    (bench.here / "d").mkdir()
    bench.begin("d/large.bin")
    (bench.here / "d/large.bin").rename(bench.here / "d/other.bin")
    (bench.here / "d").rename(bench.here / "e")
    (bench.here / "app.py").unlink()
    assert bench.session.flush().done.wait(60)
    assert sorted(path.name for path in bench.there.rglob("*")) == ["e", "other.bin"]
    assert (bench.there / "e/other.bin").stat().st_size == SIZE


class Seeing:
    """A watcher that sees these changes, one after the other."""

    def __init__(self, *changes: Changes) -> None:
        self.changes = list(changes)

    def wait(self, timeout: float | None) -> Changes:
        return self.changes.pop(0)


def beside_of(*changes: Changes) -> Beside:
    """Nothing may be sent by it: there is nobody who could."""
    nobody = cast(Any, None)
    return Beside(nobody, nobody, cast(Any, Seeing(*changes)), Settling(), nobody)


def test_saves_into_a_folder_that_is_being_renamed_wait() -> None:
    """Found by chaos: the new folder was made beside, before the rename came, and was in its way."""
    saved = Changes(ready=frozenset([b"new/a.py"]))
    beside = beside_of(saved)
    with beside.round(Plan(waves=[[Move(b"old", b"new")]])):
        beside.between(PIECE)
    assert beside.take() == saved


def test_saves_into_a_folder_whose_rename_waits_wait_too() -> None:
    renamed = Changes(subtrees=frozenset([b"new"]), moves=((b"old", b"new"),))
    saved = Changes(ready=frozenset([b"new/a.py"]))
    beside = beside_of(renamed, saved)
    with beside.round(Plan(waves=[[Remove(b"large.bin")]])):
        beside.between(PIECE)
        beside.between(PIECE)
    assert beside.take() == renamed.merged(saved)
