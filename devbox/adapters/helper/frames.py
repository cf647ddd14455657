"""Operations as the helper's requests, and its answers as values."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

from devbox.adapters.helper.remote import asked, wire
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
    wire.DONE: Result.DONE,
    wire.KEPT: Result.KEPT,
    wire.CONFLICT: Result.CONFLICT,
    wire.UNSTABLE: Result.UNSTABLE,
    wire.FAILED: Result.FAILED,
}
_CODES: dict[type[Operation], int] = {
    Put: wire.PUT,
    PutLink: wire.LINK,
    MakeDirectory: wire.MKDIR,
    SetMeta: wire.META,
    Remove: wire.REMOVE,
    RemoveDirectory: wire.RMDIR,
    Move: wire.MOVE,
}
_MARKED = struct.Struct(">HB")
_KINDS = {int(kind): kind for kind in Kind}


def put(number: int, one: Put, content: bytes | None) -> bytes:
    """The request of a put, its content (with the digest behind) in it; `None`: the content follows."""
    flags = (one.force and wire.FORCE) | (one.in_place and wire.IN_PLACE)
    if content is None:
        return _request(number, one, flags, (one.size, one.mtime_ns, one.mode))
    return _request(number, one, flags | wire.INLINE, (one.size, one.mtime_ns, one.mode), content=content)


def operation(number: int, one: Operation) -> bytes:
    """The request of anything but a put."""
    if isinstance(one, PutLink):
        return _request(number, one, one.force and wire.FORCE, target=one.target)
    if isinstance(one, MakeDirectory):
        return _request(number, one, meta=(0, 0, one.mode))
    if isinstance(one, SetMeta):
        return _request(number, one, meta=(0, one.mtime_ns, one.mode))
    if isinstance(one, Move):
        return _request(number, one, target=one.target)
    return _request(number, one, isinstance(one, Remove) and one.force and wire.FORCE)


def question(number: int, code: int, path: bytes = b"", target: bytes = b"", content: bytes = b"") -> bytes:
    """The request of a question."""
    lengths = len(path), len(target), 0, len(path) + len(target) + len(content)
    return wire.HEAD.pack(number, code, 0, 0, 0, 0, *lengths) + path + target + content


def names(paths: Iterable[bytes]) -> bytes:
    """The paths that a question is about, as its content."""
    listed = list(paths)
    return zlib.compress(b"\0" + b"\0".join(listed) if listed else b"", 1)


def marked(folders: Mapping[bytes, bytes]) -> bytes:
    """The folders that a scan is about, each with the mark it had (b"": none), as its content."""
    parts = [_MARKED.pack(len(path), len(mark)) + path + mark for path, mark in folders.items()]
    return zlib.compress(b"".join(parts), 1)


def mark(members: Mapping[bytes, Entry]) -> bytes:
    """The mark of a folder with these members, as the helper makes it."""
    packed = {}
    for name, one in members.items():
        times = (one.size, one.mtime_ns, one.ctime_ns)
        packed[name] = asked.packed_member(name, one.kind, times, one.mode, one.target)
    return asked.mark(packed)


def _request(
    number: int,
    one: Operation,
    flags: int = 0,
    meta: tuple[int, int, int] = (0, 0, 0),
    target: bytes = b"",
    content: bytes = b"",
) -> bytes:
    expects: tuple[Entry, ...] = getattr(one, "expects", ())[-255:]
    body = b"".join((one.path, target, *map(_packed, expects), content))
    lengths = len(one.path), len(target), len(expects), len(body)
    return wire.HEAD.pack(number, _CODES[type(one)], flags, *meta, *lengths) + body


def _packed(entry: Entry) -> bytes:
    fields = (entry.kind, entry.coarse, entry.size, entry.mtime_ns, entry.mode, entry.ctime_ns)
    return wire.ENTRY.pack(*fields, len(entry.target)) + entry.target


def entry_of(data: bytes) -> Entry:
    """An entry as the helper packs it."""
    kind, coarse, size, mtime, mode, ctime, length = wire.ENTRY.unpack_from(data)
    target = data[wire.ENTRY.size : wire.ENTRY.size + length] if length else b""
    return Entry(_KINDS[kind], size, mtime, mode, ctime, target, bool(coarse))


def outcome(one: Operation, digest: bytes, result: int, rest: bytes) -> Outcome:
    """The helper's answer to an operation; `digest` is that of the content that was sent with it."""
    verdict = _RESULTS[result]
    if verdict is Result.FAILED:
        return Outcome(one, verdict, why=rest.decode(errors="replace"))
    if verdict is Result.KEPT:
        return Outcome(one, verdict, why="it holds what devbox did not put there")
    entry = entry_of(rest) if rest else None
    return Outcome(one, verdict, entry, digest if verdict is Result.DONE else b"")


def listings(answer: bytes, same: set[bytes]) -> Iterator[tuple[bytes, Entry]]:
    """A piece of the answer to a scan: path and entry. Folders that still have their mark go into `same`."""
    data, at = zlib.decompress(answer), 0
    while at < len(data):
        folder, length = wire.FOLDER.unpack_from(data, at)
        at += wire.FOLDER.size
        path = data[at : at + folder]
        at += folder
        if length == wire.SAME:
            same.add(path)
            continue
        prefix, end = path + b"/" if path else b"", at + length
        while at < end:
            kind, size, mtime, mode, ctime, name, target = wire.LISTED.unpack_from(data, at)
            at += wire.LISTED.size
            path = prefix + data[at : at + name]
            at += name + target
            yield (
                path,
                Entry(_KINDS[kind], size, mtime, mode, ctime, data[at - target : at] if target else b""),
            )
