"""The index as a file."""

from __future__ import annotations

import shutil
from pathlib import Path

from devbox.ports.tree import Entry, Kind
from devbox.sync.index import Index
from devbox.sync.model import Local, Record


def _record(number: int) -> Record:
    return Record(Local(Kind.FILE, number, 1, 2, 3), Entry(Kind.FILE, number, 1), b"digest")


def test_tidied_everything_is_in_the_file_itself(tmp_path: Path) -> None:
    """So that no save has to wait while the write-ahead log is cleared."""
    index = Index(tmp_path / "index.sqlite")
    index.agree_all({b"f%d" % number: _record(number) for number in range(100)})
    index.tidy()
    shutil.copy(tmp_path / "index.sqlite", tmp_path / "alone.sqlite")  # without the log beside it
    alone = Index(tmp_path / "alone.sqlite")
    assert alone.records() == index.records()
    assert alone.count() == 100
    alone.close()
    index.close()


def test_folders_are_not_counted_as_files(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.agree_all({b"d/f": _record(1), b"d": Record(Local(Kind.DIRECTORY), Entry(Kind.DIRECTORY))})
    assert (index.count(), index.folders()) == (1, {b"d"})
    index.forget(b"d/f")
    assert (index.count(), index.folders()) == (0, {b"d"})
    index.close()


def test_a_folder_is_read_without_all_the_others(tmp_path: Path) -> None:
    """Once for every folder that a burst made or removed: read whole each time, it took minutes."""
    index = Index(tmp_path / "index.sqlite")
    index.agree_all({b"d%d/f%d" % (number // 10, number): _record(number) for number in range(20_000)})
    steps: list[int] = []
    index._db.set_progress_handler(lambda: steps.append(1000), 1000)  # the machine's own count of its work
    assert len(index.records(b"d7")) == 10
    assert not steps
    assert len(index.records()) == 20_000
    assert steps
    index.close()
