"""The remote tree of a mapping: opened when it is needed, and known to be the one that the index is about."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

from devbox.errors import HostError, SyncHalted
from devbox.ports.tree import RootFacts, Tree
from devbox.sync.index import Index
from devbox.sync.place import Place

Connect = Callable[[], Tree]


class Link:
    """One mapping's tree, connected or not. Use it from one thread."""

    def __init__(self, place: Place, index: Index, connect: Connect) -> None:
        self._place, self._index, self._connect = place, index, connect
        self._tree: Tree | None = None
        self._second: Tree | None = None
        self.lane = ""
        """The lane of the last connection; "" before the first."""
        self.may_be_empty = False
        """Whether the user said that everything is to be sent again."""

    def open(self) -> Tree:
        """The tree, connected, its root the one that the index is about."""
        if self._tree is None:
            tree = self._connect()
            try:
                self._know(tree)
            except BaseException:
                tree.close()
                raise
            self._tree = tree
            self.lane = tree.abilities.lane
        return self._tree

    def second(self) -> Tree:
        """Another tree beside the open one, on a channel of its own; it lasts as long as that one."""
        if self._second is None:
            self._second = self._connect()
            self._second.look()
        return self._second

    def glance(self) -> tuple[Tree, bool]:
        """The tree as it is, nothing prepared; whether the index is about this root."""
        self._tree = self._connect()
        return self._tree, self._tree.look().token == self._index.token != b""

    def drop(self) -> None:
        """Let go of the connection; the next `open` makes another."""
        trees, self._tree, self._second = (self._second, self._tree), None, None
        for tree in filter(None, trees):
            with contextlib.suppress(OSError, HostError):
                tree.close()

    def _know(self, tree: Tree) -> None:
        facts, token = tree.look(), self._index.token
        if token and facts.token == token:
            self._guard(facts)
        else:
            # Another root than last time, or the first time: without records nothing there is ever deleted
            # or overwritten; what is equal is adopted.
            token = facts.token or secrets.token_hex(16).encode()
            self._index.start_over(token)
        tree.prepare(token, self._place.owner)

    def _guard(self, facts: RootFacts) -> None:
        """A root that lost everything devbox put there: an unmounted disk looks like this."""
        if (facts.exists and not facts.empty) or not self._index.count() or self.may_be_empty:
            return
        raise SyncHalted(
            "the remote root is empty" if facts.exists else "the remote root is gone",
            where=f"{self._place.host}:{facts.path}",
            why=f"devbox put {self._index.count()} files there; is a disk not mounted?",
            next_steps=["devbox sync --take local .   (send everything again)"],
        )
