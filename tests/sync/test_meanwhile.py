"""What changes on either side while a round is under way: real servers, each disturbed in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.tree import Operation, Outcome, Remove, Result, Sent, Tree
from devbox.sync.model import Report
from devbox.sync.session import Session
from tests.sync.bench import Bench, bench_in, picture, wanted
from tests.sync.pipes import sftp_server


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


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
    bench.killed()
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
