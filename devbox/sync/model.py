"""The nouns of sync. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from devbox.ports.tree import Entry, Kind, Operation


class Local(NamedTuple):
    """What stands at a local path. The mode is the one that the host shall have.

    A tuple: one look makes 100,000 of them.
    """

    kind: Kind
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    mode: int = 0o644
    target: bytes = b""


class Record(NamedTuple):
    """What both sides last agreed on at a path.

    `racy`: the file was so young when it was read that a later change may have left its stat as it is; only
    its bytes tell.
    """

    local: Local
    remote: Entry
    digest: bytes = b""
    racy: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides have something that the other must not lose."""

    path: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that did not work at a path; the others go on."""

    path: bytes
    why: str


@dataclass(frozen=True, slots=True)
class View:
    """What is known, for a set of paths. `remote` is `None` when the host was not asked."""

    local: Mapping[bytes, Local]
    records: Mapping[bytes, Record]
    remote: Mapping[bytes, Entry] | None
    intents: Mapping[bytes, tuple[Entry, ...]] = field(default_factory=dict)
    """What an interrupted session was about to put there."""
    take_local: frozenset[bytes] = frozenset()
    """Paths whose conflicts the user decided in favour of the local side."""
    marks: Mapping[bytes, bytes] = field(default_factory=dict)
    """Of the folders that were looked at whole: the mark of their local side."""


@dataclass(slots=True)
class Plan:
    """What follows from a view."""

    waves: list[list[Operation]] = field(default_factory=list)
    compare: list[bytes] = field(default_factory=list)
    """Files on both sides, same size, never agreed on: equal bytes are adopted, others conflict."""
    unsure: list[bytes] = field(default_factory=list)
    """Files that changed while they were compared: looked at again."""
    adopt: dict[bytes, Record] = field(default_factory=dict)
    forget: list[bytes] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    reasons: dict[bytes, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many operations there are."""
        return sum(map(len, self.waves))

    @property
    def operations(self) -> Sequence[Operation]:
        return [operation for wave in self.waves for operation in wave]


@dataclass(slots=True)
class Report:
    """What one run did."""

    put: int = 0
    removed: int = 0
    moved: int = 0
    adopted: int = 0
    sent: int = 0
    parked: int = 0
    conflicts: dict[bytes, str] = field(default_factory=dict)
    problems: dict[bytes, str] = field(default_factory=dict)
    files: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.conflicts or self.problems or self.parked)

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        return {
            "put": self.put,
            "removed": self.removed,
            "moved": self.moved,
            "adopted": self.adopted,
            "bytes": self.sent,
            "deletes_parked": self.parked,
            "conflicts": {printable(path): why for path, why in self.conflicts.items()},
            "problems": {printable(path): why for path, why in self.problems.items()},
            "files": self.files,
            "seconds": round(self.seconds, 4),
        }


def printable(path: bytes) -> str:
    """A path for people and JSON: whatever bytes it has, one line."""
    text = path.decode(errors="backslashreplace") or "."
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def parent_of(path: bytes) -> bytes:
    """The folder that holds it; b"" for the root's own members."""
    return path.rpartition(b"/")[0]


def above(path: bytes) -> list[bytes]:
    """The folders above a path, the highest first; not the root."""
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def escapes(path: bytes, target: bytes) -> bool:
    """Whether a link at `path` leads out of the tree: such a link means something else on every machine."""
    if target.startswith(b"/"):
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in (b"", b".") else 1
        if depth < 0:
            return True
    return False
