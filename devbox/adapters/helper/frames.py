"""Operations as the helper's frames, and its answers as values."""

from __future__ import annotations

from devbox.adapters.helper import remote
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
    SetMeta,
)

_RESULTS = {
    remote.DONE: Result.DONE,
    remote.KEPT: Result.KEPT,
    remote.CONFLICT: Result.CONFLICT,
    remote.UNSTABLE: Result.UNSTABLE,
    remote.FAILED: Result.FAILED,
}
_DIGEST = 20


def head(number: int, operation: Operation) -> bytes:
    """The frame of an operation; a put's content follows it."""
    if isinstance(operation, Put):
        code = remote.PUT_IN_PLACE if operation.in_place else remote.PUT
        meta = (operation.size, operation.mtime_ns, operation.mode)
        return _head(number, code, operation.path, operation.expects, operation.force, meta)
    if isinstance(operation, PutLink):
        frame = _head(
            number, remote.LINK, operation.path, operation.expects, operation.force, (), operation.target
        )
    elif isinstance(operation, MakeDirectory):
        frame = _head(number, remote.FOLDER, operation.path, meta=(0, 0, operation.mode))
    elif isinstance(operation, SetMeta):
        meta = (0, operation.mtime_ns, operation.mode)
        frame = _head(number, remote.META, operation.path, operation.expects, meta=meta)
    elif isinstance(operation, Remove):
        frame = _head(number, remote.REMOVE, operation.path, operation.expects, operation.force)
    elif isinstance(operation, RemoveDirectory):
        frame = _head(number, remote.REMOVE_FOLDER, operation.path)
    else:
        assert isinstance(operation, Move)
        frame = _head(number, remote.MOVE, operation.path, operation.expects, target=operation.target)
    return frame


def question(number: int, code: int) -> bytes:
    """The frame of a question about many paths, which follow as content."""
    return _head(number, code, b"")


def _head(
    number: int,
    code: int,
    path: bytes,
    expects: tuple[Entry, ...] = (),
    force: bool = False,
    meta: tuple[int, ...] = (),
    target: bytes = b"",
) -> bytes:
    size, mtime, mode = meta or (0, 0, 0)
    known = expects[-255:]
    fixed = remote.HEAD.pack(number, code, force, size, mtime, mode, len(path), len(target), len(known))
    return b"".join((fixed, path, target, *(_packed(one) for one in known)))


def _packed(entry: Entry) -> bytes:
    fields = (entry.kind, entry.coarse, entry.size, entry.mtime_ns, entry.mode, entry.ctime_ns)
    return remote.ENTRY.pack(*fields, len(entry.target)) + entry.target


def entry_of(data: bytes) -> Entry:
    """An entry as the helper packs it; bytes behind it are not looked at."""
    kind, coarse, size, mtime, mode, ctime, length = remote.ENTRY.unpack_from(data)
    target = data[remote.ENTRY.size : remote.ENTRY.size + length]
    return Entry(Kind(kind), size, mtime, mode, ctime, target, bool(coarse))


def outcome(operation: Operation, result: int, rest: bytes) -> Outcome:
    """The helper's answer to an operation."""
    verdict = _RESULTS[result]
    if verdict is Result.FAILED:
        return Outcome(operation, verdict, why=rest.decode(errors="replace"))
    if verdict is Result.KEPT:
        return Outcome(operation, verdict, why="it holds what devbox did not put there")
    entry = entry_of(rest) if rest else None
    digest = rest[-_DIGEST:] if isinstance(operation, Put) and verdict is Result.DONE else b""
    return Outcome(operation, verdict, entry, digest)


def listing(data: bytes) -> dict[bytes, Entry]:
    """The answer to a scan: name, zero byte, length, entry; again and again."""
    found, at = {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        (length,) = remote.LENGTH.unpack_from(data, end + 1)
        start = end + 1 + remote.LENGTH.size
        found[data[at:end]] = entry_of(data[start : start + length])
        at = start + length
    return found


def digests(data: bytes) -> dict[bytes, bytes]:
    """The answer to a question for digests: name, zero byte, digest; again and again."""
    found, at = {}, 0
    while at < len(data):
        end = data.index(b"\0", at)
        found[data[at:end]] = data[end + 1 : end + 1 + _DIGEST]
        at = end + 1 + _DIGEST
    return found
