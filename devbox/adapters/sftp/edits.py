"""The operations as SFTP tasks, and those that put nothing: folders, modes, deletes, renames."""

from __future__ import annotations

from devbox.adapters.sftp import links, puts, wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.places import Places, blocked, failed, with_target
from devbox.ports.tree import (
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
)


def task(places: Places, operation: Operation, sent: Sent) -> Task[Outcome]:
    """The task that does that operation."""
    if isinstance(operation, Put):
        put = puts.put_in_place if operation.in_place else puts.put
        return put(places, operation, sent)
    if isinstance(operation, PutLink):
        return links.put_link(places, operation)
    if isinstance(operation, MakeDirectory):
        return make_directory(places, operation)
    if isinstance(operation, SetMeta):
        return set_meta(places, operation)
    if isinstance(operation, Remove):
        return remove(places, operation)
    if isinstance(operation, RemoveDirectory):
        return remove_directory(places, operation)
    return move(places, operation)


def make_directory(places: Places, operation: MakeDirectory) -> Task[Outcome]:
    """One that is there already is as good."""
    path = places.at(operation.path)
    made, seen = yield [wire.mkdir(path, operation.mode), wire.lstat(path)]
    if seen.ok and seen.entry and seen.entry.kind is Kind.DIRECTORY:
        found, wanted = seen.entry.mode, operation.mode
        if made.ok and (found & 0o777 != wanted & 0o777 or wanted & ~found):  # the server's umask
            # Refused by servers that know no modes: the folder is there all the same.
            yield [wire.setstat(path, wire.attributes(wanted | found & 0o7000))]
        return Outcome(operation, Result.DONE, seen.entry)
    if seen.ok and seen.entry:
        return Outcome(operation, Result.CONFLICT, seen.entry)
    return failed(operation, made)


def set_meta(places: Places, operation: SetMeta) -> Task[Outcome]:
    """Mode and time of what is as expected."""
    path = places.at(operation.path)
    (found,) = yield [wire.lstat(path)]
    if found.code == wire.NO_SUCH_FILE:
        return failed(operation, found)
    if refusal := blocked(operation, found):
        return refusal
    (changed,) = yield [wire.setstat(path, wire.attributes(operation.mode, operation.mtime_ns))]
    if not changed.ok or found.entry is None:
        return failed(operation, changed)
    entry = found.entry._replace(mode=operation.mode, mtime_ns=operation.mtime_ns)
    return Outcome(operation, Result.DONE, entry)


def remove(places: Places, operation: Remove) -> Task[Outcome]:
    """Only what is expected there is deleted."""
    path = places.at(operation.path)
    (found,) = yield [wire.lstat(path)]
    found = yield from with_target(path, found)
    if refusal := blocked(operation, found):
        return refusal
    if found.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    (removed,) = yield [wire.remove(path)]
    if removed.ok or removed.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    return failed(operation, removed)


def remove_directory(places: Places, operation: RemoveDirectory) -> Task[Outcome]:
    """Only when nothing is left in it."""
    path = places.at(operation.path)
    removed, seen = yield [wire.rmdir(path), wire.lstat(path)]
    if removed.ok or seen.code == wire.NO_SUCH_FILE:
        return Outcome(operation, Result.DONE)
    if removed.code != wire.FAILURE:
        return failed(operation, removed)
    return Outcome(operation, Result.KEPT, seen.entry, why="it holds what devbox did not put there")


def move(places: Places, operation: Move) -> Task[Outcome]:
    """Only to where nothing stands."""
    old, new = places.at(operation.path), places.at(operation.target)
    found, there = yield [wire.lstat(old), wire.lstat(new)]
    if there.code != wire.NO_SUCH_FILE:
        if there.entry is None:
            return failed(operation, there)
        return Outcome(operation, Result.CONFLICT, there.entry)
    if not found.ok:
        return failed(operation, found)
    if refusal := blocked(operation, found):
        return refusal
    # Version 3's rename fails where the target exists: nothing that appeared meanwhile is replaced.
    (renamed,) = yield [wire.rename(old, new)]
    return Outcome(operation, Result.DONE, found.entry) if renamed.ok else failed(operation, renamed)
