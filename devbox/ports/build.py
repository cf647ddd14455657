"""Building an image on the daemon: what is asked, what travels, what is said on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Protocol


class EntryKind(Enum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One path of a build context, relative, with `/`; `mode` are the permission bits, `mtime` is in
    nanoseconds. Bytes of a name that are not UTF-8 are kept as surrogates (os.fsdecode)."""

    path: str
    kind: EntryKind
    mode: int = 0o644
    size: int = 0
    mtime: int = 0
    target: str = ""


class Builder(str, Enum):
    """Who builds."""

    AUTO = "auto"
    """buildx where the user's environment names a builder of its own for it, else the session."""
    SESSION = "session"
    """BuildKit in the host's daemon, driven by us."""
    BUILDX = "buildx"
    """The Docker CLI of this machine."""
    CLASSIC = "classic"
    """The engine's old one."""


class BuildContext(Protocol):
    """What a build may take from this machine: the tree after the ignore rules, and the Dockerfile."""

    @property
    def root(self) -> Path:
        """The folder, for a builder that reads it by itself."""
        ...

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile, for the same."""
        ...

    @property
    def identity(self) -> str:
        """The same for the same folder of this machine: what the daemon kept of it can be found again."""
        ...

    def entries(
        self, excluded: Sequence[str] | None = None, copied: Sequence[str] = ()
    ) -> Sequence[ContextEntry]:
        """The tree, sorted, folders before what is in them; without what its ignore file says, or what
        `excluded` says in the ignore file's syntax. When no more than the `copied` paths (wildcards as
        in COPY) is needed, the rest may be left out."""
        ...

    @property
    def recipe_name(self) -> str:
        """The Dockerfile's own name, without folders."""
        ...

    def recipe(self) -> Mapping[str, bytes]:
        """The Dockerfile under its own name, and the ignore files that may belong to it."""
        ...

    def open(self, path: str) -> BinaryIO: ...


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What shall be built. `dockerfile` is its path in the context; `secrets` never reach a log."""

    tag: str
    dockerfile: str = "Dockerfile"
    target: str = ""
    platform: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    pull: bool = False
    cache_from: tuple[str, ...] = ()
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    builder: Builder = Builder.AUTO


@dataclass(frozen=True, slots=True)
class Step:
    """A vertex of the build graph, as it is now; times are the host's, since the epoch, 0 for not yet."""

    digest: str
    name: str
    cached: bool = False
    started: float = 0.0
    completed: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Progress inside a step: layers that are pulled, files that are sent. `total` 0 is unknown."""

    step: str
    name: str
    current: int
    total: int


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step's command wrote."""

    step: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BuildWarning:
    """What the Dockerfile's linter on the daemon finds worth saying."""

    text: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who builds, and why."""

    builder: Builder
    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Bytes of context that have left this machine so far."""

    count: int


@dataclass(frozen=True, slots=True)
class Built:
    """The end of a good build."""

    image: str


BuildEvent = Chosen | Step | Transfer | StepOutput | BuildWarning | Sent | Built
