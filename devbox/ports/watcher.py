"""Noticing changes of the local tree. Events are hints: they say where to look, never what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Changes:
    """Where to look. Paths are bytes relative to the root.

    `ready`: something finished happening (closed after writing, renamed, deleted). `open`: something is still
    being written perhaps (created, modified, not closed yet). `subtrees`: everything below is in doubt (new
    directories, lost events); b"" means the whole tree. `moves`: folders that were renamed within the tree,
    old and new name, in the order in which it happened; both names are in doubt as well.
    """

    ready: frozenset[bytes] = frozenset()
    open: frozenset[bytes] = frozenset()
    subtrees: frozenset[bytes] = frozenset()
    moves: tuple[tuple[bytes, bytes], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ready or self.open or self.subtrees)

    def merged(self, other: Changes) -> Changes:
        """Both together; what `other` tells happened later."""
        return Changes(
            self.ready | other.ready,
            self.open | other.open,
            self.subtrees | other.subtrees,
            self.moves + other.moves,
        )


class Watcher(Protocol):
    """A running watch of one tree. Ignored directories are not watched."""

    def wait(self, timeout: float | None) -> Changes:
        """Block until something happened, `wake` was called, or `timeout` seconds went by.

        With 0 it returns what has happened up to this moment: whatever was saved before the call is in it.
        """
        ...

    def wake(self) -> None:
        """End a `wait` of another thread early."""
        ...

    def refresh(self) -> None:
        """The ignore rules changed: watch the folders that are not ignored any more."""
        ...

    def close(self) -> None: ...
