"""Where large files go in tests: a root, and a link that counts and breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devbox.ports.tree import Tree, staging_of
from tests.sync.pipes import Counted


@dataclass
class Far:
    """A remote root; `lane` makes its tree over a link to `command`."""

    root: Path
    lane: Callable[[Counted, str, str], Tree]
    command: tuple[str, ...]

    def open(self, limit: float = float("inf")) -> tuple[Tree, Counted]:
        """The tree, prepared, and its link, which breaks after `limit` bytes."""
        channel = Counted(*self.command, limit=limit)
        tree = self.lane(channel, str(self.root), "host")
        tree.prepare(b"token")
        channel.sent = 0
        return tree, channel

    @property
    def staged(self) -> list[Path]:
        """What is in staging besides the root's mark."""
        return sorted(one for one in Path(staging_of(str(self.root))).iterdir() if one.name != "root")
