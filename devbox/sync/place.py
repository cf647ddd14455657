"""One mapping, resolved: its two roots, its rules, where its index lives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devbox.config.modes import USUAL, Modes
from devbox.ports.tree import Owner
from devbox.sync.model import Local
from devbox.sync.scan import LocalFile


@dataclass(frozen=True, slots=True)
class Place:
    """One mapping. `root` is absolute; `state` is where its index lives."""

    root: bytes
    remote: str
    host: str
    state: Path
    ignore: tuple[str, ...] = ()
    in_place: frozenset[bytes] = frozenset()
    owner: Owner | None = None
    """Who holds the remote root's lock; `None` takes none."""
    modes: Modes = USUAL

    def here(self, path: bytes) -> bytes:
        """Where that path of the tree is on this machine."""
        return self.root + b"/" + path

    def source(self, path: bytes, local: Local) -> LocalFile:
        """The bytes of a file as it was scanned."""
        return LocalFile(self.here(path), local)
