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
        self._base = base
        self._lane: Tree = base
        self._helper = _begun(base, open_helper)

    @property
    def abilities(self) -> Abilities:
        return self._lane.abilities

    def look(self) -> RootFacts:
        return self._base.look()

    def prepare(self, token: bytes) -> None:
        self._base.prepare(token)
        helper, self._helper = self._helper, None
        if helper:
            try:
                helper.start()
            except NoHelper:
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
        if self._helper:
            self._helper.close()
        else:
            self._lane.close()


def _begun(base: SftpTree, open_helper: Callable[[], ByteChannel]) -> HelperTree | None:
    """The helper on its way; `None` where not even a channel for it is opened."""
    try:
        channel = open_helper()
    except HostError:
        return None
    try:
        return HelperTree(base, channel)
    except (OSError, EOFError):
        channel.close()
        return None
