"""The remote tree, as the sync room sees it: a batch of operations in, outcomes out, path by path.

Paths are bytes, relative to the root, separated by `/`, without `.` and `..`; b"" is the root itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple, Protocol

STAGING = ".devbox-staging"
"""First part of every staging folder's name. Never synced, whichever side it is on."""

_SECOND = 1_000_000_000


def staging_of(root: str) -> str:
    """Where files wait for their rename: beside the root, so on its file system, and not visible through
    a bind mount of it. `devbox init` creates it where the SSH user cannot; inside the root is second best.
    """
    parent, _, name = root.rstrip("/").rpartition("/")
    return f"{parent}/{STAGING}.{name}"


def new_digest(data: bytes = b"") -> hashlib.blake2b:
    """The digest of contents, on both sides and in the index."""
    return hashlib.blake2b(data, digest_size=20)


class Kind(IntEnum):
    """What stands at a path. The numbers are in the index: never change them."""

    FILE = 1
    DIRECTORY = 2
    LINK = 3
    OTHER = 4


class Entry(NamedTuple):
    """What stands at a remote path. Times in nanoseconds; `coarse`: seen with whole seconds only (SFTP v3).

    `ctime_ns` is 0 where it cannot be seen. A tuple, as there is one for every file of a tree.
    """

    kind: Kind
    size: int = 0
    mtime_ns: int = 0
    mode: int = 0
    ctime_ns: int = 0
    target: bytes = b""
    coarse: bool = False

    def matches(self, other: Entry) -> bool:
        """Whether both can be the same state of the same thing, as far as both were seen."""
        if self.kind is not other.kind:
            return False
        if self.kind is Kind.LINK:
            return self.target == other.target
        return self.kind is not Kind.FILE or self._same_file(other)

    def _same_file(self, other: Entry) -> bool:
        grain = _SECOND if self.coarse or other.coarse else 1
        changed = self.ctime_ns and other.ctime_ns and self.ctime_ns != other.ctime_ns
        return self.size == other.size and self.mtime_ns // grain == other.mtime_ns // grain and not changed


@dataclass(frozen=True, slots=True)
class Owner:
    """Who works on a remote root. The same `key`: the same state folder of the same machine."""

    key: str
    words: str


class SourceChanged(Exception):
    """A local file is no longer what it was when the operation was planned: plan again."""


class Source(Protocol):
    """The local bytes of one put."""

    def chunks(self, size: int) -> Iterator[bytes]:
        """The bytes in pieces of at most `size`; `SourceChanged` when they are not those promised."""
        ...


@dataclass(frozen=True, slots=True)
class Put:
    """Put a file there, atomically. `expects`: what may stand there and be replaced; absence always may.

    `force` replaces any file or link. `in_place` writes into the file that is there (for bind mounts of one
    file).
    """

    path: bytes
    source: Source
    size: int
    mtime_ns: int
    mode: int
    expects: tuple[Entry, ...] = ()
    force: bool = False
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class PutLink:
    """Put a symbolic link there, atomically."""

    path: bytes
    target: bytes
    expects: tuple[Entry, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """Make one directory; one that exists is as good."""

    path: bytes
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class SetMeta:
    """Set mode and time of a file that is otherwise as expected."""

    path: bytes
    mode: int
    mtime_ns: int
    expects: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a file or link; one that is gone is as good."""

    path: bytes
    expects: tuple[Entry, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class RemoveDirectory:
    """Remove a directory if nothing is left in it; otherwise it is `KEPT`."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Move:
    """Rename a file or directory; the target must be absent. `expects` is for files."""

    path: bytes
    target: bytes
    expects: tuple[Entry, ...] = ()


def may_replace(operation: Put | PutLink | SetMeta | Remove | Move, found: Entry) -> bool:
    """Whether what stands there is what the operation may touch. A directory never is, except to `Move`."""
    if isinstance(operation, Move):
        return not operation.expects or any(found.matches(known) for known in operation.expects)
    if found.kind is Kind.DIRECTORY:
        return False
    forced = not isinstance(operation, SetMeta) and operation.force
    return forced or any(found.matches(known) for known in operation.expects)


Operation = Put | PutLink | MakeDirectory | SetMeta | Remove | RemoveDirectory | Move


class Result(Enum):
    """How an operation ended."""

    DONE = "done"
    KEPT = "kept"
    """A directory stays because something is in it that devbox did not put there."""
    CONFLICT = "conflict"
    """Something else stands there than expected; nothing was changed."""
    UNSTABLE = "unstable"
    """The local file changed meanwhile; nothing was changed there."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one operation ended. `entry`: what stands there now (DONE) or was found (CONFLICT).

    `digest` is that of the bytes that were put.
    """

    operation: Operation
    result: Result
    entry: Entry | None = None
    digest: bytes = b""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RootFacts:
    """The remote root. `token` is the mark that an earlier devbox left in staging, b"" when there is none."""

    path: str
    exists: bool
    empty: bool
    token: bytes


@dataclass(frozen=True, slots=True)
class Survey:
    """What stands in many folders. `same`: those whose listing is what their mark stands for; not listed."""

    entries: Mapping[bytes, Entry]
    same: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the host was found to offer. `lane` names it for people."""

    lane: str
    atomic_rename: bool = True
    fine_times: bool = False
    compare_and_swap: bool = False


Sent = Callable[[int], None]
"""Called with the number of content bytes that just left."""


class Tree(Protocol):
    """One remote root over one live connection, used by one thread.

    Everything raises `ConnectionLost` when the link breaks.
    """

    @property
    def abilities(self) -> Abilities: ...

    def look(self) -> RootFacts:
        """Look at the root without changing anything."""
        ...

    def prepare(self, token: bytes, owner: Owner | None = None) -> None:
        """Create what is missing of root and staging, take the lock, clear staging, leave `token`.

        A `DevboxError` says what the user has to type where that is not allowed to us, or who has the lock.
        The lock ends with `close`, or some seconds after its holder died.
        """
        ...

    def scan(self, directories: Iterable[bytes]) -> Mapping[bytes, Entry]:
        """What stands in these directories (not below them); absent ones are left out silently."""
        ...

    def survey(self, marks: Mapping[bytes, bytes]) -> Survey:
        """`scan` of these folders, but for those that still have the mark that stands beside them."""
        ...

    def mark(self, members: Mapping[bytes, Entry]) -> bytes:
        """The mark of a folder in which exactly this stands, name by name; b"" where there are no marks."""
        ...

    def apply(self, waves: Sequence[Sequence[Operation]], sent: Sent) -> Iterator[Outcome]:
        """Do them: one wave has ended before the next begins; within a wave they start in the given order.

        One outcome per operation, in any order.
        """
        ...

    def digests(self, paths: Iterable[bytes]) -> Mapping[bytes, bytes]:
        """`digest` of the files' bytes there; paths that are not readable files are left out."""
        ...

    def read(self, path: bytes) -> Iterator[bytes]:
        """A file's bytes in pieces; `FileNotFoundError` when there is none."""
        ...

    def idle(self) -> float:
        """Make ready for the next save while there is nothing else to do; seconds of one round trip."""
        ...

    def close(self) -> None: ...
