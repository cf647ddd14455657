"""The best lane that the account has: the helper where it runs, else plain SFTP. Equal guarantees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from devbox.adapters.helper.tree import HelperTree, NoHelper
from devbox.adapters.sftp.client import ByteChannel
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import HostError
from devbox.ports.tree import Abilities, Entry, Operation, Outcome, RootFacts, Sent, Tree


class BestTree:
    """A `Tree` that decides for its lane in `prepare`; before that it only looks."""

    def __init__(self, base: SftpTree, open_helper: Callable[[], ByteChannel]) -> None:
        self._base, self._open_helper = base, open_helper
        self._lane: Tree = base

    @property
    def abilities(self) -> Abilities:
        return self._lane.abilities

    def look(self) -> RootFacts:
        return self._base.look()

    def prepare(self, token: bytes) -> None:
        self._base.prepare(token)
        if self._lane is self._base:
            try:
                helper = HelperTree(self._base, self._open_helper())
                helper.start()
            except (NoHelper, HostError):
                return  # if it was the link that broke, the next request says so
            self._lane = helper

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        return self._lane.scan(directories)

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        return self._lane.apply(waves, sent)

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        return self._lane.digests(paths)

    def read(self, path: bytes) -> Iterator[bytes]:
        return self._base.read(path)

    def idle(self) -> float:
        return self._lane.idle()

    def close(self) -> None:
        self._lane.close()
