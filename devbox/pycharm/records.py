"""What is ours in a file, what was left to others, and the merge of one file while it is under way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devbox.pycharm.kinds import identity
from devbox.pycharm.splice import Form
from devbox.pycharm.xml import Document, Node

Path = tuple[str, ...]
Take = Callable[[Path], bool]
"""Whether ours is taken at a path although somebody else put something there."""


def nothing(_path: Path) -> bool:
    """What others put there wins everywhere."""
    return False


def everything(_path: Path) -> bool:
    """Ours wins everywhere: --force."""
    return True


@dataclass(frozen=True, slots=True)
class Record:
    """One thing of ours in a file.

    `wrote` is its canonical text, "" for a mere container. `was` is what stood there before when it was
    replaced on demand. `form` is how the parent was written when this became its only child.
    """

    path: Path
    wrote: str = ""
    was: str | None = None
    form: Form | None = None

    @property
    def attribute(self) -> str:
        """The attribute's name when the record is about one."""
        return self.path[-1][1:] if self.path[-1].startswith("@") else ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that was left as it is although we would have written something else.

    `settled` when there is nothing new to decide: the user had it so when we last wrote the same.
    """

    path: Path
    why: str
    holds: str = ""
    want: str = ""
    settled: bool = False

    @property
    def thing(self) -> str:
        """The element or attribute, as the user knows it."""
        return self.path[-1].lstrip("@")

    def __str__(self) -> str:
        return f"{self.thing} {self.why}"


@dataclass(frozen=True, slots=True)
class Ours:
    """What is ours in one file; `created` when the whole file began with us.

    `declined` is what we wanted at places where the user, asked, chose what was there.
    """

    records: Mapping[Path, Record] = field(default_factory=dict)
    created: bool = False
    declined: Mapping[Path, str] = field(default_factory=dict)

    def declines(self, kept: Kept) -> bool:
        """Whether this very wish was turned down before."""
        return self.declined.get(kept.path) == kept.want


@dataclass(slots=True)
class Merge:
    """The merge of one file while it is under way."""

    document: Document
    records: dict[Path, Record] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)
    theirs: bool = False
    """Whether the file was there before we wrote into it for the first time."""
    refused: str = ""
    """Why nothing of ours belongs into this file."""

    def at(self, path: Path) -> Node | None:
        """The element of that path; the root for the empty path."""
        node: Node | None = self.document.root
        for step in path:
            node = next((child for child in node.children if identity(child) == step), None) if node else None
        return node

    def must(self, path: Path) -> Node:
        node = self.at(path)
        assert node is not None
        return node
