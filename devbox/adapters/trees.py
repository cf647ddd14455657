"""Remote trees over one connection, which is made anew when it broke."""

from __future__ import annotations

import threading
from collections.abc import Callable

from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.over import OverSsh
from devbox.adapters.ssh.connection import Connection
from devbox.ports.tree import Tree

_PATIENCE = 2.0
"""Seconds without a sign of life after which the link is given up: sync loses nothing by connecting anew."""


class Trees:
    """Opens the trees of a project's mappings. They use `given` while it lives, else what `connect` makes."""

    def __init__(self, host: str, connect: Callable[[], Connection], given: Connection | None) -> None:
        self._host, self._connect, self._given = host, connect, given
        self._own: Connection | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Trees:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._own.close()

    def open(self, root: str) -> Tree:
        """The tree at that remote root, by the best lane the account has."""
        link = self._connection()
        return BestTree(
            lambda: OverSsh(link.open_exec(COMMAND)),
            lambda: OverSsh(link.open_sftp_channel()),
            root,
            self._host,
        )

    def _connection(self) -> Connection:
        with self._lock:
            if self._given and self._given.alive:
                return self._given
            if self._own is None or not self._own.alive:
                if self._own:
                    self._own.close()
                self._own = self._connect()
                self._own.impatient(_PATIENCE)
            return self._own
