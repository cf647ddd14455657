"""Sessions from a real folder to a real sftp-server, the index and the watcher real as well."""

from __future__ import annotations

import ctypes
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.inotify import Inotify
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import HostUnreachable, SyncHalted
from devbox.ports.events import Event
from devbox.ports.tree import Operation, Outcome, Owner, Remove, Result, Sent, Tree
from devbox.sync.model import Report
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.sync.pipes import Pipes, sftp_server


def picture(root: Path) -> dict[str, object]:
    """Everything in a tree: bytes, modes, targets."""
    found: dict[str, object] = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif os.path.isdir(path):
                found[key] = "folder"
            else:
                found[key] = (Path(path).read_bytes(), bool(os.stat(path).st_mode & 0o100))
    return found


@dataclass
class Bench:
    here: Path
    there: Path
    state: Path
    events: list[Event] = field(default_factory=list)
    channels: list[Pipes] = field(default_factory=list)
    full: bool = False
    """Whether the disk there is full when a connection is made."""
    away: bool = False
    """Whether nobody answers there."""
    helped: bool = False
    """Whether the account has a shell and python3."""

    def connect(self) -> Tree:
        if self.away:
            raise HostUnreachable("nobody answers", where="host")
        if self.helped:
            return BestTree(self.help, sftp_server, str(self.there), "host")
        return SftpTree(self.opened(sftp_server()), str(self.there), "host")

    def help(self) -> Pipes:
        return self.opened(Pipes("sh", "-c", COMMAND))

    def opened(self, channel: Pipes) -> Pipes:
        channel.fill(self.full)
        self.channels.append(channel)
        return channel

    def place(self, *ignore: str) -> Place:
        return Place(
            os.fsencode(self.here), str(self.there), "host", self.state, ignore, owner=Owner("us", "us")
        )

    def session(self, *ignore: str) -> Session:
        return Session(self.place(*ignore), self.connect, self.events.append)

    def run(self) -> dict[str, object]:
        session = self.session()
        try:
            return session.run_once().as_data()
        finally:
            session.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "here").mkdir()
    return Bench(tmp_path / "here", tmp_path / "there", tmp_path / "state")


def fill(folder: Path) -> None:
    (folder / "pkg" / "deep").mkdir(parents=True)
    (folder / "app.py").write_text("print('hello')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "pkg" / "a.py").write_text("a = 1\n")
    (folder / "pkg" / "deep" / "b.py").write_text("b = 2\n")
    (folder / "link").symlink_to("pkg/a.py")
    (folder / ".gitignore").write_text("*.pyc\nbuild/\n")
    (folder / "x.pyc").write_text("ignored")
    (folder / "build").mkdir()
    (folder / "build" / "out").write_text("ignored")


def wanted(folder: Path) -> dict[str, object]:
    left_out = ("x.pyc", "build")
    return {key: what for key, what in picture(folder).items() if not key.startswith(left_out)}


class TestOnce:
    def test_the_tree_arrives_and_the_second_run_has_nothing_to_do(self, bench: Bench) -> None:
        fill(bench.here)
        first = bench.run()
        assert picture(bench.there) == wanted(bench.here)
        assert (first["put"], first["conflicts"], first["problems"]) == (5, {}, {})
        second = bench.run()
        assert (second["put"], second["removed"], second["bytes"], second["files"]) == (0, 0, 0, 6)

    def test_changes_made_while_nobody_watched(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").write_text("print('HELLO')\n")
        (bench.here / "pkg" / "a.py").unlink()
        (bench.here / "link").unlink()
        (bench.here / "pkg" / "deep").rename(bench.here / "deeper")
        (bench.here / "run.sh").chmod(0o644)
        (bench.here / "new").mkdir()
        (bench.here / "new" / "f").write_bytes(b"")
        report = bench.run()
        assert picture(bench.there) == wanted(bench.here)
        assert report["moved"] == 1

    def test_kinds_change(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").unlink()
        (bench.here / "app.py").mkdir()
        (bench.here / "app.py" / "inside").write_text("1")
        (bench.here / "pkg" / "deep" / "b.py").unlink()
        (bench.here / "pkg" / "deep").rmdir()
        (bench.here / "pkg" / "deep").write_text("a file now")
        (bench.here / "link").unlink()
        (bench.here / "link").write_text("was a link")
        bench.run()
        assert picture(bench.there) == wanted(bench.here)

    def test_a_link_to_a_folder_becomes_a_folder_like_it(self, bench: Bench) -> None:
        """What the host shows behind the link is not there yet, though its bytes are equal."""
        (bench.here / "releases/1/static").mkdir(parents=True)
        (bench.here / "releases/1/static/app.js").write_text("1")
        (bench.here / "current").symlink_to("releases/1")
        bench.run()
        (bench.here / "current").unlink()
        shutil.copytree(bench.here / "releases/1", bench.here / "current")
        (bench.here / "releases/1/static/app.js").write_text("2")
        report = bench.run()
        assert (report["conflicts"], report["adopted"]) == ({}, 0)
        assert picture(bench.there) == picture(bench.here)

    def test_equal_bytes_are_adopted_others_conflict(self, bench: Bench) -> None:
        fill(bench.here)
        bench.there.mkdir()
        (bench.there / "app.py").write_text("print('hello')\n")
        (bench.there / "run.sh").write_text("#!/bin/no\n")
        report = bench.run()
        assert report["adopted"] == 1
        assert report["conflicts"] == {"run.sh": "stands on the host already, with other content"}
        assert (bench.there / "run.sh").read_text() == "#!/bin/no\n"
        assert (bench.there / "pkg/deep/b.py").exists()

    def test_only_what_devbox_put_there_is_deleted(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "pkg" / "made-there").write_text("x")
        (bench.there / "app.py").write_text("edited on the host")
        (bench.here / "app.py").unlink()
        for name in ("a.py", "deep/b.py"):
            (bench.here / "pkg" / name).unlink()
        (bench.here / "pkg" / "deep").rmdir()
        (bench.here / "pkg").rmdir()
        report = bench.run()
        assert (bench.there / "pkg" / "made-there").exists()
        assert not (bench.there / "pkg" / "deep").exists()
        assert report["conflicts"] == {"app.py": "deleted here, changed on the host"}
        assert (bench.there / "app.py").read_text() == "edited on the host"

    def test_a_remote_edit_is_a_conflict_until_it_is_taken(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "app.py").write_text("edited on the host")
        assert bench.run()["conflicts"] == {"app.py": "changed on the host"}
        session = bench.session()
        assert session.take_local(b"app.py").clean
        assert (bench.there / "app.py").read_text() == "print('hello')\n"
        session.close()
        (bench.there / "app.py").write_text("edited on the host again")
        session = bench.session()
        session.run_once()
        session.pull(b"app.py", force=True)
        assert (bench.here / "app.py").read_text() == "edited on the host again"
        assert session.run_once().clean
        session.close()

    def test_what_went_missing_there_comes_back(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "pkg" / "a.py").unlink()
        bench.run()
        assert picture(bench.there) == wanted(bench.here)

    def test_an_emptied_remote_root_halts(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        bench.there.rename(bench.there.with_name("unmounted"))
        with pytest.raises(SyncHalted, match="remote root is gone"):
            bench.run()
        bench.there.mkdir()
        with pytest.raises(SyncHalted, match="remote root is empty"):
            bench.run()
        session = bench.session()
        assert session.take_local(b"").clean
        session.close()
        assert picture(bench.there) == wanted(bench.here)

    def test_an_emptied_local_root_halts(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        bench.here.rename(bench.here.with_name("unmounted"))
        with pytest.raises(SyncHalted, match="folder is gone"):
            bench.run()
        bench.here.mkdir()
        with pytest.raises(SyncHalted, match="empty"):
            bench.run()
        assert (bench.there / "app.py").exists()

    def test_a_mass_of_deletes_waits_for_a_yes(self, bench: Bench) -> None:
        fill(bench.here)
        (bench.here / "many").mkdir()
        for number in range(40):
            (bench.here / "many" / str(number)).write_text("x")
        bench.run()
        for number in range(40):
            (bench.here / "many" / str(number)).unlink()
        (bench.here / "app.py").write_text("the rest goes on")
        assert bench.run()["deletes_parked"] == 40
        assert (bench.there / "app.py").read_text() == "the rest goes on"
        assert len(list((bench.there / "many").iterdir())) == 40
        session = bench.session()
        session.rounds.brake.confirmed = True
        assert session.run_once().removed == 40
        session.close()
        assert picture(bench.there) == wanted(bench.here)

    def test_another_host_at_the_same_address_starts_afresh(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        for left in [*bench.there.parent.glob(".devbox-staging*"), bench.there]:
            left.rename(left.with_name("old" + left.name))
        assert bench.run()["put"] == 5
        assert picture(bench.there) == wanted(bench.here)

    def test_a_dry_run_forgets_nothing_though_another_root_stands_there(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        aside = [one.rename(one.with_name("old" + one.name)) for one in bench.there.parent.glob("*there")]
        session = bench.session()
        assert session.dry_run().size > 5
        session.close()
        for one in aside:
            one.rename(one.with_name(one.name.removeprefix("old")))
        (bench.here / "app.py").unlink()
        assert bench.run()["removed"] == 1

    def test_a_same_size_edit_within_the_same_clock_tick_is_seen(self, bench: Bench) -> None:
        file = bench.here / "f"
        file.write_text("one")
        state = file.stat()
        bench.run()
        file.write_text("two")
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        bench.run()
        assert (bench.there / "f").read_text() == "two"

    def test_links_out_of_the_tree_and_pipes_are_left_out(self, bench: Bench) -> None:
        fill(bench.here)
        (bench.here / "out").symlink_to("/etc/passwd")
        (bench.here / "up").symlink_to("../../secrets")
        os.mkfifo(bench.here / "pipe")
        session = bench.session()
        session.run_once()
        assert set(session.rounds.looking.skipped) == {b"out", b"up", b"pipe"}
        session.close()
        assert not (bench.there / "out").is_symlink()

    def test_killed_between_rename_and_record(self, bench: Bench) -> None:
        """The journal: what we put there ourselves is no conflict, though the index does not know it."""
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").write_text("second")
        session = bench.session()
        tree = bench.connect()
        _view, plan = session.rounds.whole(tree)
        session.rounds.index.intend(plan.operations)
        list(tree.apply(plan.waves, lambda count: None))
        tree.close()
        session.close()
        (bench.here / "app.py").write_text("and a third one")
        report = bench.run()
        assert report["conflicts"] == {}
        assert (bench.there / "app.py").read_text() == "and a third one"


class Busy(SftpTree):
    """A host that takes its time over digests: the user saves the file meanwhile, once."""

    saves: list[Path]

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        found = super().digests(paths)
        while self.saves:
            file = self.saves.pop()
            file.write_bytes(file.read_bytes())
        return found


class TestWhileItIsCompared:
    """An empty digest means that the file changed while it was read: no verdict, look again."""

    def test_a_save_of_what_stands_there_already(self, bench: Bench) -> None:
        (bench.here / "app.py").write_text("equal")
        bench.there.mkdir()
        (bench.there / "app.py").write_text("equal")
        report = self._run(bench)
        assert (report.conflicts, report.adopted, report.problems) == ({}, 1, {})

    def test_a_save_of_what_the_host_refused_to_replace(self, bench: Bench) -> None:
        (bench.here / "app.py").write_text("one")
        bench.run()
        (bench.here / "app.py").write_text("two and more")
        session = bench.session()
        tree = self._tree(bench)
        view, plan = session.rounds.whole(tree)
        (bench.there / "app.py").write_text("two and more")  # it comes to stand there after the look
        assert session.rounds.apply(tree, view, plan, report := Report()) == {b"app.py"}
        assert report.conflicts == {}
        session.close()
        tree.close()

    def _tree(self, bench: Bench) -> Busy:
        tree = Busy(sftp_server(), str(bench.there), "host")
        tree.saves = [bench.here / "app.py"]
        tree.prepare(b"token")
        return tree

    def _run(self, bench: Bench) -> Report:
        session = Session(bench.place(), lambda: self._tree(bench), bench.events.append)
        try:
            return session.run_once()
        finally:
            session.close()


class Stubborn(SftpTree):
    """A host that refuses the first delete of a file, as one does whose stat came out otherwise."""

    refused = 0

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        for wave in waves:
            deletes = [one for one in wave if isinstance(one, Remove)] if not self.refused else []
            self.refused += len(deletes)
            yield from (Outcome(one, Result.CONFLICT) for one in deletes)
            yield from super().apply([[one for one in wave if one not in deletes]], sent)


def test_a_folder_goes_after_the_file_in_it_that_was_refused_first(bench: Bench) -> None:
    (bench.here / "d").mkdir()
    (bench.here / "d" / "f").write_text("x")
    (bench.here / "other").write_text("x")
    bench.run()
    (bench.here / "d" / "f").unlink()
    (bench.here / "d").rmdir()
    session = bench.session()
    tree = Stubborn(sftp_server(), str(bench.there), "host")
    tree.prepare(b"token")
    doubtful, report = {b"d", b"d/f"}, Report()
    for _ in range(3):
        view, plan = session.rounds.part(tree, doubtful, ())
        doubtful = session.rounds.apply(tree, view, plan, report)
    assert tree.refused == 1
    assert doubtful == set()
    assert not (bench.there / "d").exists()
    session.close()
    tree.close()


@pytest.mark.parametrize("folder_first", [True, False])
def test_what_made_room_for_something_that_never_came_comes_back(bench: Bench, folder_first: bool) -> None:
    """Found by chaos: a folder, then a file, then a folder again while the file was on its way."""

    def change(to_folder: bool) -> None:
        if to_folder:
            (bench.here / "x").unlink(missing_ok=True)
            (bench.here / "x").mkdir()
        else:
            (bench.here / "x").rmdir()
            (bench.here / "x").write_text("x")

    (bench.here / "other").write_text("x")
    (bench.here / "x").mkdir()
    if not folder_first:
        change(to_folder=False)
    bench.run()
    change(to_folder=not folder_first)
    session, tree = bench.session(), bench.connect()
    tree.prepare(b"token")
    view, plan = session.rounds.part(tree, {b"x"}, ())
    change(to_folder=folder_first)
    doubtful, report = session.rounds.apply(tree, view, plan, Report()), Report()
    for _ in range(3):
        view, plan = session.rounds.part(tree, doubtful | {b"x"}, ())
        doubtful = session.rounds.apply(tree, view, plan, report)
    assert doubtful == set()
    assert picture(bench.there) == wanted(bench.here)
    session.close()
    tree.close()


class Moving(SftpTree):
    """The user renames a file while it is on its way, once."""

    renames: list[tuple[Path, Path]]

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        while self.renames:
            old, new = self.renames.pop()
            old.rename(new)
        yield from super().apply(waves, sent)


def test_what_was_put_before_a_kill_goes_though_it_is_renamed_while_the_next_run_sends_it(
    bench: Bench,
) -> None:
    """Found by chaos: the file stands there, only the journal knows, and the new put of it is called off."""
    (bench.here / "other").write_text("x")
    bench.run()
    (bench.here / "f").write_text("put, and killed before it was written down")
    session = bench.session()
    tree = bench.connect()
    _view, plan = session.rounds.whole(tree)
    session.rounds.index.intend(plan.operations)
    list(tree.apply(plan.waves, lambda count: None))
    tree.close()
    session.close()
    (bench.here / "f").write_text("saved once more, then renamed by hand")

    def connect() -> Tree:
        tree = Moving(sftp_server(), str(bench.there), "host")
        tree.renames = [(bench.here / "f", bench.here / "g")]
        return tree

    session = Session(bench.place(), connect, bench.events.append)
    session.run_once()
    session.close()
    bench.run()
    assert picture(bench.there) == picture(bench.here)


class Watching:
    """A session that watches on a thread of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.stop = bench, threading.Event()
        self.session = bench.session()
        self.thread = threading.Thread(target=self._run)
        self.failed: list[BaseException] = []
        self.thread.start()
        self.until(lambda: any(one.kind == "sync.ready" for one in bench.events))

    def _run(self) -> None:
        try:
            self.session.watch(lambda place, covers: Inotify(place.root, covers), self.stop)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self.failed.append(error)

    def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert not self.failed, self.failed
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.005)

    def flush(self) -> None:
        request = self.session.flush()
        assert request.done.wait(15)
        assert not self.failed, self.failed

    def close(self) -> None:
        self.stop.set()
        self.session.flush()
        self.thread.join(10)
        self.session.close()
        assert not self.failed, self.failed


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
        assert watching.session.flush(watching.session.confirm_deletes).done.wait(15)
        assert picture(bench.there) == wanted(bench.here)
        assert watching.session.status()["parked"] == 0

    def test_a_folder_that_goes_away_halts(self, bench: Bench, watching: Watching) -> None:
        bench.here.rename(bench.here.with_name("unmounted"))
        watching.thread.join(15)
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
