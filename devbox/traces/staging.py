"""Where full segments wait until they are read: a folder beside the store.

Copying a segment takes milliseconds, putting its spans into the store a second. A program that ends more
spans than we can put in loses none as long as its spool is emptied in time, so that is done first.

A file has its name once it is whole, and is gone from here after the store has its spans: killed anywhere,
nothing is lost or read twice. Names begin with a number, in the order in which files came.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from devbox.ports.traces import SpoolChunk

LEAST_BOUND = 8 << 20
"""Bytes: room for two of the largest segments that a recorder makes."""
HEAD = 128
_SEGMENT = re.compile(r"[0-9a-f]{32}\.\d{6,}\.ring")
_STAGED = re.compile(rf"(\d{{12}})-({_SEGMENT.pattern})")


class Stage:
    """Used by whoever holds the store's lock (`Store.collecting`)."""

    def __init__(self, folder: Path, bound: int) -> None:
        self.bound = max(bound, LEAST_BOUND)
        """Bytes on disk."""
        self.folder = folder
        self._names: dict[str, Path] = {}
        self._used = 0
        self._next = 1

    def open(self) -> None:
        """Look what is there: another process may have been at it, or was killed."""
        self._names.clear()
        self._used = 0
        try:
            files = sorted(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in files:
            found = _STAGED.fullmatch(path.name)
            if found is None:
                path.unlink(missing_ok=True)  # one that was not finished
                continue
            self._names[found[2]] = path
            self._used += _size(path)
            self._next = int(found[1]) + 1

    @property
    def names(self) -> list[str]:
        """The segments that wait, in the order in which they came."""
        return list(self._names)

    def holds(self, identity: str) -> bool:
        """Whether a segment of that process waits."""
        return any(name.startswith(identity) for name in self._names)

    def takes(self, chunk: SpoolChunk) -> bool:
        """Whether it is a segment, and not too large for ever."""
        return _SEGMENT.fullmatch(chunk.name) is not None and len(chunk.data) + HEAD <= self.bound // 2

    def put(self, chunk: SpoolChunk) -> bool:
        """Keep the segment's new part, as a file with a hole before it. False: there is no room now."""
        if self._used + len(chunk.data) + HEAD > self.bound:
            return False
        path = self.folder / f"{self._next:012}-{chunk.name}"
        part = path.with_suffix(".part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.seek(chunk.offset)
                file.write(chunk.data)
                file.seek(0)
                file.write(chunk.head[:HEAD])
            part.rename(path)
        except OSError:  # the disk is full: it stays in the spool, which says so when it overflows
            with suppress(OSError):
                part.unlink()
            return False
        self._names[chunk.name] = path
        self._used += _size(path)
        self._next += 1
        return True

    def read(self, name: str, offset: int) -> SpoolChunk:
        """A segment that waits, from `offset` on."""
        with self._names[name].open("rb") as file:
            head = file.read(HEAD)
            file.seek(offset)
            return SpoolChunk(name, head, offset, file.read(), live=False)

    def remove(self, name: str) -> None:
        """The store has its spans."""
        path = self._names.pop(name)
        self._used -= _size(path)
        path.unlink()


def _size(path: Path) -> int:
    return path.stat().st_blocks * 512
