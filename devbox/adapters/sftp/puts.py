"""Puts as SFTP tasks: each checks what stands there, stages, then renames.

RENAME is never sent before the answers to WRITE, FSETSTAT and CLOSE: OpenSSH on a full disk answers a WRITE
with failure and would still rename the empty file into place.
"""

from __future__ import annotations

from collections.abc import Sequence

from devbox.adapters.sftp import parts, wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.places import Places, blocked, failed, with_target
from devbox.adapters.sftp.wire import Reply
from devbox.ports.tree import (
    Entry,
    Kind,
    Outcome,
    Put,
    PutLink,
    Result,
    Sent,
    SourceChanged,
    new_digest,
)


def warm_up(places: Places) -> Task[None]:
    """Open one more staging file for a save to come."""
    name = places.staged()
    (opened,) = yield [_open_staged(name)]
    if opened.ok:
        places.warm.append((name, opened.blob))


def _open_staged(name: bytes) -> wire.Request:
    return wire.open_file(name, wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE, 0o600)


def _refused(replies: Sequence[Reply]) -> Reply | None:
    return next((reply for reply in replies if not reply.ok), None)


def put(places: Places, operation: Put, sent: Sent) -> Task[Outcome]:
    """Stage, look what stands there, rename over it."""
    if operation.size >= parts.LARGE:
        return (yield from _put_large(places, operation, sent))
    if places.warm:
        name, handle = places.warm.popleft()
    else:
        name = places.staged()
        (opened,) = yield [_open_staged(name)]
        if not opened.ok:
            return failed(operation, opened)
        handle = opened.blob
    outcome, found = yield from _stage(places, operation, handle, sent)
    return (yield from _finish(places, operation, name, found, outcome))


def _put_large(places: Places, operation: Put, sent: Sent) -> Task[Outcome]:
    """The same, behind what arrived of it before a link broke."""
    try:
        name = parts.name_of(places, operation, sent)
    except SourceChanged as changed:
        return Outcome(operation, Result.UNSTABLE, why=str(changed))
    opened, arrived = yield from parts.open_part(places, operation, name)
    if not opened.ok:
        return failed(operation, opened)
    outcome, found = yield from _stage(places, operation, opened.blob, sent, arrived)
    if outcome.result is Result.DONE and not parts.is_of(name, outcome.digest):
        outcome = Outcome(operation, Result.UNSTABLE, why="it changed while it was read")
    return (yield from _finish(places, operation, name, found, outcome))


def _finish(places: Places, operation: Put, name: bytes, found: Reply, staged: Outcome) -> Task[Outcome]:
    """Rename what is staged whole; what could not be, or may not, goes."""
    outcome = staged
    if staged.result is Result.DONE:
        outcome = yield from into_place(places, operation, name, found, staged)
    if outcome.result is not Result.DONE:
        yield [wire.remove(name)]
    return outcome


def _stage(
    places: Places, operation: Put, handle: bytes, sent: Sent, arrived: int = 0
) -> Task[tuple[Outcome, Reply]]:
    """Write the bytes, but for those that `arrived`; the last flight also looks at what stands in the
    target's place."""
    digest, flight, offset = new_digest(), list[wire.Request](), 0
    closing = [
        wire.fsetstat(handle, wire.attributes(operation.mode, operation.mtime_ns)),
        wire.close(handle),
        wire.lstat(places.at(operation.path)),
    ]
    try:
        for chunk in operation.source.chunks(places.chunk):
            digest.update(chunk)
            offset += len(chunk)
            if offset <= arrived:
                sent(0)
                continue
            if len(flight) * places.chunk >= parts.BATCH:
                replies = yield flight
                flight = []
                if refused := _refused(replies):
                    yield [wire.close(handle)]
                    return failed(operation, refused), refused
            flight.append(wire.write(handle, offset - len(chunk), chunk))
            sent(len(chunk))
    except SourceChanged as changed:
        (closed,) = yield [wire.close(handle)]
        return Outcome(operation, Result.UNSTABLE, why=str(changed)), closed
    *written, found = yield [*flight, *closing]
    if refused := _refused(written):
        return failed(operation, refused), found
    entry = Entry(Kind.FILE, offset, operation.mtime_ns, operation.mode, coarse=True)
    return Outcome(operation, Result.DONE, entry, digest.digest()), found


def into_place(
    places: Places, operation: Put | PutLink, name: bytes, found: Reply, outcome: Outcome
) -> Task[Outcome]:
    """Rename what was staged over what stands there, if that may be replaced."""
    target = places.at(operation.path)
    found = yield from with_target(target, found)
    if refusal := blocked(operation, found):
        return refusal
    if places.posix_rename:
        (renamed,) = yield [wire.posix_rename(name, target)]
    else:
        renamed = yield from _replace(places, name, target, found.ok)
    return outcome if renamed.ok else failed(operation, renamed)


def _replace(places: Places, name: bytes, target: bytes, stands: bool) -> Task[Reply]:
    """Where nothing is renamed over what stands there: that steps aside, and comes back if it has to."""
    aside = places.staged()
    if stands:
        (moved,) = yield [wire.rename(target, aside)]
        if not moved.ok:
            return moved
    (renamed,) = yield [wire.rename(name, target)]
    if stands:
        yield [wire.remove(aside) if renamed.ok else wire.rename(aside, target)]
    return renamed


def put_in_place(places: Places, operation: Put, sent: Sent) -> Task[Outcome]:
    """For single-file bind mounts: the inode must stay, so the file is overwritten and then cut to size."""
    target = places.at(operation.path)
    (found,) = yield [wire.lstat(target)]
    if found.code == wire.NO_SUCH_FILE:
        return (yield from put(places, operation, sent))
    if refusal := blocked(operation, found):
        return refusal
    (opened,) = yield [wire.open_file(target, wire.FOR_WRITING | wire.TRUNCATE)]
    if not opened.ok:
        return failed(operation, opened)
    outcome, _ = yield from _stage(places, operation, opened.blob, sent)
    return outcome
