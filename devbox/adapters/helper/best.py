"""The best lane that the account has: the helper where it runs, else plain SFTP. Equal guarantees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from devbox.adapters.helper.tree import HelperTree, NoHelper
from devbox.adapters.sftp.over import ByteChannel
from devbox.adapters.sftp.tree import SftpTree
from devbox.errors import ConnectionLost, HostError
from devbox.ports.tree import Abilities, Entry, Operation, Outcome, Owner, RootFacts, Sent, Survey, Tree

Open = Callable[[], ByteChannel]


class BestTree:
    """A `Tree` that decides for its lane at the first look."""

    def __init__(self, open_helper: Open, open_sftp: Open, root: str, host: str = "") -> None:
        self._open_helper, self._open_sftp = open_helper, open_sftp
        self._root, self._host = root, host
        self._chosen: Tree | None = None

    @property
    def abilities(self) -> Abilities:
        return self._lane().abilities

    def look(self) -> RootFacts:
        return self._lane().look()

    def prepare(self, token: bytes, owner: Owner | None = None) -> None:
        self._lane().prepare(token, owner)

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        return self._lane().scan(directories)

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        return self._lane().survey(marks)

    def mark(self, members: Mapping[bytes, Entry]) -> bytes:
        return self._lane().mark(members)

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        return self._lane().apply(waves, sent)

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        return self._lane().digests(paths)

    def read(self, path: bytes) -> Iterator[bytes]:
        return self._lane().read(path)

    def idle(self) -> float:
        return self._lane().idle()

    def close(self) -> None:
        if self._chosen:
            self._chosen.close()

    def _lane(self) -> Tree:
        if self._chosen is None:
            helper = self._helped()
            self._chosen = helper or SftpTree(self._open_sftp(), self._root, self._host)
        return self._chosen

    def _helped(self) -> HelperTree | None:
        """The helper; `None` where there is none, or not even a channel for it is opened."""
        try:
            return HelperTree(self._open_helper(), self._root, self._host)
        except ConnectionLost:
            raise
        except (HostError, NoHelper):  # if it was the link that broke, the next request says so
            return None
