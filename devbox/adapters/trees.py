"""Remote trees over one connection, which is made anew when it broke."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from devbox.adapters.ahead import Ahead
from devbox.adapters.helper.program import COMMAND
from devbox.errors import ConnectionLost, HostError

if TYPE_CHECKING:
    from paramiko.channel import Channel

    from devbox.adapters.ssh.connection import Connection
    from devbox.ports.ask import Ask
    from devbox.ports.tree import Tree

_PATIENCE = 2.0
"""Seconds without a sign of life after which the link is given up: sync loses nothing by connecting anew."""


class Trees:
    """Opens the trees of a project's mappings. They use `given` while it lives, else what `connect` makes.

    Within `with`, the first connection is on its way from the beginning, and the helper's start with it: what
    works with trees is loaded meanwhile.
    """

    def __init__(
        self, host: str, connect: Callable[[Ask], Connection], ask: Ask, given: Connection | None
    ) -> None:
        self._host, self._connect, self._ask, self._given = host, connect, ask, given
        self._own: Connection | None = None
        self._ahead: Ahead[Connection] | None = None
        self._started: list[Channel] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Trees:
        if self._given is None:
            self._ahead = Ahead(self._begin, lambda link: link.close())
        return self

    def __exit__(self, *_: object) -> None:
        if self._ahead:
            self._ahead.drop()
        if self._own:
            self._own.close()

    def open(self, root: str) -> Tree:
        """The tree at that remote root, by the best lane the account has."""
        from devbox.adapters.helper.best import BestTree
        from devbox.adapters.sftp.over import OverSsh

        link = self._connection()
        return BestTree(
            lambda: OverSsh(self._helper(link)),
            lambda: OverSsh(link.open_sftp_channel()),
            root,
            self._host,
        )

    def _helper(self, link: Connection) -> Channel:
        """A channel on which the helper's program is waited for."""
        with self._lock:
            if self._started and link is self._own:
                return self._started.pop()
        return link.open_exec(COMMAND)

    def _begin(self, ask: Ask) -> Connection:
        link = self._connect(ask)
        try:
            self._started.append(link.open_exec(COMMAND))
        except ConnectionLost:
            link.close()
            raise
        except HostError:  # no channel for a helper: whoever opens a tree finds that out for himself
            pass
        return link

    def _connection(self) -> Connection:
        with self._lock:
            if self._given and self._given.alive:
                return self._given
            if self._ahead:
                ahead, self._ahead = self._ahead, None
                self._own = ahead.result(self._ask)
                self._own.impatient(_PATIENCE)
            if self._own is None or not self._own.alive:
                if self._own:
                    self._own.close()
                self._started.clear()
                self._own = self._connect(self._ask)
                self._own.impatient(_PATIENCE)
            return self._own
