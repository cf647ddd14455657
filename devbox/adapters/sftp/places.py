"""Where things are on the host, how this server works, and what its refusals mean."""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from dataclasses import dataclass, field

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.wire import Reply
from devbox.ports.tree import (
    Kind,
    Move,
    Operation,
    Outcome,
    Put,
    PutLink,
    Remove,
    Result,
    SetMeta,
    may_replace,
)

_WORDS = {
    wire.NO_SUCH_FILE: "no such file or folder",
    wire.PERMISSION_DENIED: "permission denied",
    wire.FAILURE: "the server says no more than: failure (disk full, quota, read-only or in the way)",
    wire.OP_UNSUPPORTED: "the server cannot do that",
}


def words(reply: Reply) -> str:
    """The server's refusal for people."""
    return _WORDS.get(reply.code) or reply.message or f"status {reply.code}"


@dataclass(slots=True)
class Places:
    """Where things are on the host, and how this server works."""

    root: bytes
    staging: bytes
    chunk: int = 32 * 1024
    posix_rename: bool = True
    link_first: bool | None = None
    """Whether SYMLINK's first name becomes the link; `None` while that is not known."""
    warm: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    """Staging files that are open already: path and handle."""
    parts: set[bytes] = field(default_factory=set)
    """Parts of large files that a broken link left in staging: names."""
    _prefix: bytes = field(default_factory=lambda: secrets.token_hex(4).encode())
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, path: bytes) -> bytes:
        """Where that path of the tree is on the host."""
        return self.root + b"/" + path if path else self.root

    def staged(self) -> bytes:
        """A name in staging that nobody has."""
        return b"%s/%s-%d" % (self.staging, self._prefix, next(self._count))


def failed(operation: Operation, reply: Reply) -> Outcome:
    """The outcome of what the server refused."""
    return Outcome(operation, Result.FAILED, why=words(reply))


def blocked(operation: Put | PutLink | SetMeta | Remove | Move, found: Reply) -> Outcome | None:
    """Why the operation must not go on, after LSTAT's answer; absence never blocks."""
    if found.code == wire.NO_SUCH_FILE:
        return None
    if not found.ok or found.entry is None:
        return failed(operation, found)
    if may_replace(operation, found.entry):
        return None
    return Outcome(operation, Result.CONFLICT, found.entry)


def with_target(path: bytes, found: Reply) -> Task[Reply]:
    """LSTAT's answer, with the link's target where it is a link."""
    if found.entry is None or found.entry.kind is not Kind.LINK:
        return found
    (read,) = yield [wire.readlink(path)]
    return found._replace(entry=found.entry._replace(target=read.names[0][0] if read.names else b""))
