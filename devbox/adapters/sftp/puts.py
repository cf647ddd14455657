"""The operations of the `Tree` port as SFTP tasks: each checks what stands there, stages, then renames.

RENAME is never sent before the answers to WRITE, FSETSTAT and CLOSE: OpenSSH on a full disk answers a WRITE
with failure and would still rename the empty file into place.
"""

from __future__ import annotations

import itertools
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.wire import Reply
from devbox.ports.tree import (
    Entry,
    Kind,
    MakeDirectory,
    Move,
    Operation,
    Outcome,
    Put,
    PutLink,
    Remove,
    RemoveDirectory,
    Result,
    Sent,
    SetMeta,
    SourceChanged,
    may_replace,
    new_digest,
)

BATCH = 4 * 1024 * 1024
"""Bytes of one file under way before its answers are awaited."""

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
    warm: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    """Staging files that are open already: path and handle."""
    _prefix: bytes = field(default_factory=lambda: secrets.token_hex(4).encode())
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, path: bytes) -> bytes:
        """Where that path of the tree is on the host."""
        return self.root + b"/" + path if path else self.root

    def staged(self) -> bytes:
        """A name in staging that nobody has."""
        return b"%s/%s-%d" % (self.staging, self._prefix, next(self._count))


def task(places: Places, operation: Operation, sent: Sent) -> Task[Outcome]:
    """The task that does that operation."""
    if isinstance(operation, Put):
        return _put_in_place(places, operation, sent) if operation.in_place else _put(places, operation, sent)
    if isinstance(operation, PutLink):
        return _put_link(places, operation)
    if isinstance(operation, MakeDirectory):
        return _make_directory(places, operation)
    if isinstance(operation, SetMeta):
        return _set_meta(places, operation)
    if isinstance(operation, Remove):
        return _remove(places, operation)
    return (
        _remove_directory(places, operation)
        if isinstance(operation, RemoveDirectory)
        else _move(places, operation)
    )


def warm_up(places: Places) -> Task[None]:
    """Open one more staging file for a save to come."""
    name = places.staged()
    (opened,) = yield [_open_staged(name)]
    if opened.ok:
        places.warm.append((name, opened.blob))


def _open_staged(name: bytes) -> wire.Request:
    return wire.open_file(name, wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE, 0o600)


def _failed(operation: Operation, reply: Reply) -> Outcome:
    return Outcome(operation, Result.FAILED, why=words(reply))


def _refused(replies: Sequence[Reply]) -> Reply | None:
    return next((reply for reply in replies if not reply.ok), None)


def _put(places: Places, operation: Put, sent: Sent) -> Task[Outcome]:
    if places.warm:
        name, handle = places.warm.popleft()
    else:
        name = places.staged()
        (opened,) = yield [_open_staged(name)]
        if not opened.ok:
            return _failed(operation, opened)
        handle = opened.blob
    outcome, found = yield from _stage(places, operation, handle, sent)
    if outcome.result is Result.DONE:
        outcome = yield from _into_place(places, operation, name, found, outcome)
    if outcome.result is not Result.DONE:
        yield [wire.remove(name)]
    return outcome


def _stage(places: Places, operation: Put, handle: bytes, sent: Sent) -> Task[tuple[Outcome, Reply]]:
    """Write the bytes; the last flight also looks at what stands in the target's place."""
    digest, flight, offset = new_digest(), list[wire.Request](), 0
    closing = [
        wire.fsetstat(handle, wire.attributes(operation.mode, operation.mtime_ns)),
        wire.close(handle),
        wire.lstat(places.at(operation.path)),
    ]
    try:
        for chunk in operation.source.chunks(places.chunk):
            if len(flight) * places.chunk >= BATCH:
                replies = yield flight
                flight = []
                if refused := _refused(replies):
                    yield [wire.close(handle)]
                    return _failed(operation, refused), refused
            flight.append(wire.write(handle, offset, chunk))
            digest.update(chunk)
            offset += len(chunk)
            sent(len(chunk))
    except SourceChanged as changed:
        (closed,) = yield [wire.close(handle)]
        return Outcome(operation, Result.UNSTABLE, why=str(changed)), closed
    *written, found = yield [*flight, *closing]
    if refused := _refused(written):
        return _failed(operation, refused), found
    entry = Entry(Kind.FILE, offset, operation.mtime_ns, operation.mode, coarse=True)
    return Outcome(operation, Result.DONE, entry, digest.digest()), found


def _blocked(operation: Put | PutLink | SetMeta | Remove | Move, found: Reply) -> Outcome | None:
    """Why the operation must not go on, after LSTAT's answer; absence never blocks."""
    if found.code == wire.NO_SUCH_FILE:
        return None
    if not found.ok or found.entry is None:
        return _failed(operation, found)
    if may_replace(operation, found.entry):
        return None
    return Outcome(operation, Result.CONFLICT, found.entry)


def _with_target(path: bytes, found: Reply) -> Task[Reply]:
    """LSTAT's answer, with the link's target where it is a link."""
    if found.entry is None or found.entry.kind is not Kind.LINK:
        return found
    (read,) = yield [wire.readlink(path)]
    return replace(found, entry=replace(found.entry, target=read.names[0][0] if read.names else b""))


def _into_place(
    places: Places, operation: Put | PutLink, name: bytes, found: Reply, outcome: Outcome
) -> Task[Outcome]:
    """Rename what was staged over what stands there, if that may be replaced."""
    target = places.at(operation.path)
    found = yield from _with_target(target, found)
    if blocked := _blocked(operation, found):
        return blocked
    if places.posix_rename:
        (renamed,) = yield [wire.posix_rename(name, target)]
    else:
        if found.ok:
            yield [wire.remove(target)]
        (renamed,) = yield [wire.rename(name, target)]
    return outcome if renamed.ok else _failed(operation, renamed)


def _put_in_place(places: Places, operation: Put, sent: Sent) -> Task[Outcome]:
    """For single-file bind mounts: the inode must stay, so the file is overwritten and then cut to size."""
    target = places.at(operation.path)
    (found,) = yield [wire.lstat(target)]
    if found.code == wire.NO_SUCH_FILE:
        return (yield from _put(places, operation, sent))
    if blocked := _blocked(operation, found):
        return blocked
    (opened,) = yield [wire.open_file(target, wire.FOR_WRITING | wire.TRUNCATE)]
    if not opened.ok:
        return _failed(operation, opened)
    outcome, _ = yield from _stage(places, operation, opened.blob, sent)
    return outcome


def _put_link(places: Places, operation: PutLink) -> Task[Outcome]:
    name = places.staged()
    made, found = yield [wire.symlink(operation.target, name), wire.lstat(places.at(operation.path))]
    if not made.ok:
        return _failed(operation, made)
    done = Outcome(operation, Result.DONE, Entry(Kind.LINK, target=operation.target, coarse=True))
    outcome = yield from _into_place(places, operation, name, found, done)
    if outcome.result is not Result.DONE:
        yield [wire.remove(name)]
    return outcome


def _make_directory(places: Places, operation: MakeDirectory) -> Task[Outcome]:
    path = places.at(operation.path)
    made, seen = yield [wire.mkdir(path, operation.mode), wire.lstat(path)]
    if seen.ok and seen.entry and seen.entry.kind is Kind.DIRECTORY:
        return Outcome(operation, Result.DONE, seen.entry)
    if seen.ok and seen.entry:
        return Outcome(operation, Result.CONFLICT, seen.entry)
    return _failed(operation, made)


def _set_meta(places: Places, operation: SetMeta) -> Task[Outcome]:
    path = places.at(operation.path)
    (found,) = yield [wire.lstat(path)]
    if found.code == wire.NO_SUCH_FILE:
        return _failed(operation, found)
    if blocked := _blocked(operation, found):
        return blocked
    (changed,) = yield [wire.setstat(path, wire.attributes(operation.mode, operation.mtime_ns))]
    if not changed.ok or found.entry is None:
        return _failed(operation, changed)
    entry = replace(found.entry, mode=operation.mode, mtime_ns=operation.mtime_ns)
    return Outcome(operation, Result.DONE, entry)


def _remove(places: Places, operation: Remove) -> Task[Outcome]:
    path = places.at(operation.path)
    (found,) = yield [wire.lstat(path)]
    found = yield from _with_target(path, found)
    if blocked := _blocked(operation, found):
        return blocked
    if found.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    (removed,) = yield [wire.remove(path)]
    if removed.ok or removed.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    return _failed(operation, removed)


def _remove_directory(places: Places, operation: RemoveDirectory) -> Task[Outcome]:
    path = places.at(operation.path)
    removed, seen = yield [wire.rmdir(path), wire.lstat(path)]
    if removed.ok or seen.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    if removed.code != wire.FAILURE:
        return _failed(operation, removed)
    return Outcome(operation, Result.KEPT, seen.entry, why="it holds what devbox did not put there")


def _move(places: Places, operation: Move) -> Task[Outcome]:
    old, new = places.at(operation.path), places.at(operation.target)
    found, there = yield [wire.lstat(old), wire.lstat(new)]
    if there.code != wire.NO_SUCH_FILE:
        if there.entry is None:
            return _failed(operation, there)
        return Outcome(operation, Result.CONFLICT, there.entry)
    if not found.ok:
        return _failed(operation, found)
    if blocked := _blocked(operation, found):
        return blocked
    # Version 3's rename fails where the target exists: nothing that appeared meanwhile is replaced.
    (renamed,) = yield [wire.rename(old, new)]
    return Outcome(operation, Result.DONE, found.entry) if renamed.ok else _failed(operation, renamed)
