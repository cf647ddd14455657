"""A remote host, as rooms see it: one connection on which staged scripts run and ports are forwarded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a host is, after ~/.ssh/config was resolved. `name` is what the user typed."""

    name: str
    user: str
    hostname: str
    port: int = 22

    def __str__(self) -> str:
        at = f"{self.user}@{self.hostname}"
        return at if self.port == 22 else f"{at}:{self.port}"


class Privilege(Enum):
    """`ROOT` means: as root, directly or through sudo; refused as `AuthError` where neither is possible."""

    USER = "user"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Script:
    """A POSIX shell script that does one whole thing on the host.

    `files` are put into a private folder (0700, files 0600) before it starts, are found in `$DEVBOX_STAGE`
    and are gone when it ends, however it ends. Neither script nor files ever appear in a command line of the
    host: secrets may travel in `files`.
    """

    text: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    privilege: Privilege = Privilege.USER


class Stream(Enum):
    OUT = "out"
    ERR = "err"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that a script wrote, without its newline; undecodable bytes replaced."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a script; always the last thing it yields."""

    code: int


Progress = Line | Finished


@dataclass(frozen=True, slots=True)
class Socket:
    """An address as the host sees it: `path` for a Unix socket, else `host` and `port`."""

    host: str = "127.0.0.1"
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class Running(Protocol):
    """What a script says while it runs: lines, then `Finished`. Closing it early ends the script."""

    def __iter__(self) -> Running: ...

    def __next__(self) -> Progress: ...

    def close(self) -> None: ...


class Forward(Protocol):
    """A local address whose connections come out on the host; closed with the context."""

    @property
    def local(self) -> tuple[str, int]: ...

    def close(self) -> None: ...


class Host(Protocol):
    """One live SSH connection to a host. Thread-safe; many scripts and forwards may run at once."""

    @property
    def address(self) -> HostAddress: ...

    def run(self, script: Script) -> Running:
        """Start the script; what it says is yielded as it says it.

        Two round trips on an open connection: sshd takes input only after it has started the command.

        Raises `ConnectionLost` when the link breaks, `AuthError` when root was wanted and refused.
        """
        ...

    def forward(self, target: Socket, local_port: int = 0) -> AbstractContextManager[Forward]:
        """Listen on 127.0.0.1:`local_port` (0: any free) and carry each connection to `target`."""
        ...

    def close(self) -> None: ...
