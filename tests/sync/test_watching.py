"""Sessions that follow every save: real folder, real watcher, real sftp-server."""

from __future__ import annotations

import ctypes
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.errors import SyncHalted
from devbox.ports.events import Event
from tests.sync.bench import LIMIT, Bench, Watching, bench_in, fill, picture, wanted


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


@pytest.fixture
def watching(bench: Bench) -> Iterator[Watching]:
    fill(bench.here)
    running = Watching(bench)
    yield running
    running.close()


class TestWatch:
    def test_what_is_done_here_is_seen_there(self, bench: Bench, watching: Watching) -> None:
        here = bench.here
        (here / "app.py").write_text("saved")
        watching.until(lambda: (bench.there / "app.py").read_text() == "saved")
        (here / "made" / "at" / "once").mkdir(parents=True)
        (here / "made" / "at" / "once" / "f").write_text("deep")
        (here / "pkg").rename(here / "package")
        (here / "run.sh").chmod(0o644)
        (here / "link2").symlink_to("app.py")
        (here / "safe.tmp").write_text("an editor's safe write")
        (here / "safe.tmp").rename(here / "app.py")
        (here / "x2.pyc").write_text("ignored")
        watching.flush()
        expected = {key: what for key, what in wanted(here).items() if key != "x2.pyc"}
        assert picture(bench.there) == expected

    def test_flush_returns_when_it_is_there(self, bench: Bench, watching: Watching) -> None:
        for number in range(50):
            (bench.here / "app.py").write_text(f"number {number}")
            watching.flush()
            assert (bench.there / "app.py").read_text() == f"number {number}"

    def test_a_cut_link_is_mended(self, bench: Bench, watching: Watching) -> None:
        bench.channels[-1].process.kill()
        (bench.here / "app.py").write_text("while it was cut")
        (bench.here / "pkg" / "a.py").unlink()
        watching.until(lambda: (bench.there / "app.py").read_text() == "while it was cut")
        watching.flush()
        assert picture(bench.there) == wanted(bench.here)

    def test_a_link_that_dies_as_soon_as_all_is_ready_is_said_to_be_offline(self, bench: Bench) -> None:
        class Killing(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                if event.kind == "sync.ready" and sum(one.kind == "sync.ready" for one in self) == 1:
                    bench.channels[-1].process.kill()

        fill(bench.here)
        bench.events = Killing()
        running = Watching(bench)
        told = ["sync.ready", "sync.offline", "sync.ready"]
        try:
            running.until(lambda: [one.kind for one in bench.events if one.kind in told] == told)
        finally:
            running.close()

    def test_what_the_host_cannot_take_is_said_once_and_tried_again(
        self, bench: Bench, watching: Watching
    ) -> None:
        bench.channels[-1].fill(True)
        (bench.here / "app.py").write_text("more than fits on a disk that is full")
        (bench.here / "pkg" / "a.py").unlink()
        watching.until(lambda: not (bench.there / "pkg" / "a.py").exists())
        for _ in range(10):
            watching.flush()
        status = watching.session.status()
        assert (status["state"], list(status["problems"])) == ("problems", ["app.py"])
        assert len([one for one in bench.events if one.kind == "sync.problem"]) == 1
        assert (bench.there / "app.py").read_text() == "print('hello')\n"
        bench.channels[-1].fill(False)
        watching.until(lambda: watching.session.status()["state"] == "in step")
        assert watching.session.status()["problems"] == {}
        assert picture(bench.there) == wanted(bench.here)

    def test_a_problem_ends_when_its_folder_goes(self, bench: Bench, tmp_path: Path) -> None:
        """Found by chaos: what was found below a folder, and refused, was not looked for under its name."""

        class Renaming(list[Event]):
            def append(self, event: Event) -> None:
                super().append(event)
                if event.kind == "sync.problem" and (bench.here / "f").exists():
                    (bench.here / "f").rename(bench.here / "g")

        fill(bench.here)
        (tmp_path / "made" / "f").mkdir(parents=True)
        (tmp_path / "made" / "f" / "new.py").write_text("more than fits on a disk that is full")
        bench.events = Renaming()
        running = Watching(bench)
        try:
            bench.channels[-1].fill(True)
            (tmp_path / "made" / "f").rename(bench.here / "f")
            running.until(lambda: "g/new.py" in running.session.status()["problems"])
            bench.channels[-1].fill(False)
            running.until(lambda: running.session.status()["state"] == "in step")
        finally:
            running.close()
        assert picture(bench.there) == wanted(bench.here)

    def test_what_the_host_could_not_take_at_the_start_is_tried_again(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").write_text("more than fits on a disk that is full")
        bench.full = True
        running = Watching(bench)
        assert list(running.session.status()["problems"]) == ["app.py"]
        bench.channels[-1].fill(False)
        running.until(lambda: running.session.status()["state"] == "in step")
        running.close()
        assert picture(bench.there) == wanted(bench.here)

    @pytest.mark.parametrize("helped", [True, False])
    def test_a_link_that_breaks_while_the_disk_is_full_is_mended(self, bench: Bench, helped: bool) -> None:
        """Not even the lock can be written then: a watch that worked waits until it can."""
        fill(bench.here)
        bench.helped = helped
        running = Watching(bench)
        assert running.session.status()["lane"] == ("helper" if helped else "sftp")
        bench.full = True
        bench.channels[-1].process.kill()
        connections = len(bench.channels)
        (bench.here / "app.py").write_text("saved meanwhile")
        running.until(lambda: len(bench.channels) > connections)
        time.sleep(0.2)
        assert (bench.there / "app.py").read_text() == "print('hello')\n"
        bench.full = False

        def arrived() -> bool:
            for channel in bench.channels:  # one may have been opened just before
                channel.fill(False)
            return (bench.there / "app.py").read_text() == "saved meanwhile"

        running.until(arrived)
        running.close()

    def test_a_host_that_is_away_for_a_while(self, bench: Bench, watching: Watching) -> None:
        bench.away = True
        bench.channels[-1].process.kill()
        (bench.here / "app.py").write_text("saved meanwhile")
        watching.until(lambda: watching.session.status()["state"] == "offline")
        time.sleep(0.2)
        bench.away = False
        watching.until(lambda: (bench.there / "app.py").read_text() == "saved meanwhile")

    def test_new_ignore_rules_hold_at_once(self, bench: Bench, watching: Watching) -> None:
        (bench.here / ".gitignore").write_text("*.pyc\n")
        watching.until(lambda: (bench.there / "build" / "out").exists())
        (bench.here / "build" / "out").write_text("watched now")
        watching.until(lambda: (bench.there / "build" / "out").read_text() == "watched now")

    def test_deletes_that_trickle_in_are_a_mass_too(self, bench: Bench, watching: Watching) -> None:
        (bench.here / "many").mkdir()
        for number in range(60):
            (bench.here / "many" / str(number)).write_text("x")
        watching.flush()
        for number in range(60):
            (bench.here / "many" / str(number)).unlink()
            if number % 5 == 0:
                watching.flush()
        watching.flush()
        parked = len(watching.session.rounds.brake.parked)
        left = list((bench.there / "many").iterdir())
        assert parked == len(left) > 20
        (bench.here / "app.py").write_text("the rest goes on")
        watching.flush()
        assert (bench.there / "app.py").read_text() == "the rest goes on"
        assert watching.session.flush(watching.session.confirm_deletes).done.wait(LIMIT)
        assert picture(bench.there) == wanted(bench.here)
        assert watching.session.status()["parked"] == 0

    def test_a_folder_that_goes_away_halts(self, bench: Bench, watching: Watching) -> None:
        bench.here.rename(bench.here.with_name("unmounted"))
        watching.thread.join(LIMIT)
        (halt,) = watching.failed
        assert isinstance(halt, SyncHalted)
        assert "folder is gone" in str(halt)
        assert (bench.there / "app.py").exists()
        watching.failed.clear()

    def test_another_folder_in_its_place_is_followed(self, bench: Bench, watching: Watching) -> None:
        """As after a fresh clone: what was in the old one and is in the new one too stays as it is."""
        fresh = bench.here.with_name("fresh")
        shutil.copytree(bench.here, fresh, symlinks=True)
        (fresh / "app.py").write_text("fresh")
        here = -100  # AT_FDCWD; 2 is RENAME_EXCHANGE, see renameat2(2)
        assert not ctypes.CDLL(None).renameat2(here, os.fsencode(fresh), here, os.fsencode(bench.here), 2)
        watching.until(lambda: (bench.there / "app.py").read_text() == "fresh")
        (bench.here / "app.py").write_text("and watched")
        watching.until(lambda: (bench.there / "app.py").read_text() == "and watched")
