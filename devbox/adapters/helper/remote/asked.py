"""The questions: what stands there, what is in it."""

from __future__ import annotations

import os
import stat
import zlib
from _blake2 import blake2b

from devbox.adapters.helper.remote import wire as shape
from devbox.adapters.helper.remote.entries import kind_of, state_of
from devbox.adapters.helper.remote.lock import Lock
from devbox.adapters.helper.remote.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from devbox.adapters.helper.remote.wire import Request, Wire

PIECE = 1 << 18
NAMES = 1 << 16


class Questions:
    def __init__(self, wire: Wire, places: Places) -> None:
        self.wire, self.places = wire, places
        self.lock: Lock | None = None
        self.table: dict[int, Any] = {
            shape.LOOK: lambda ask: (shape.DONE, b"\0".join(places.facts())),
            shape.PREPARE: self.prepare,
            shape.SCAN: self.scan,
            shape.DIGESTS: self.digests,
            shape.READ: self.read,
            shape.PING: lambda ask: (shape.DONE, b""),
        }

    def close(self) -> None:
        """The channel ended."""
        if self.lock:
            self.lock.drop()

    def prepare(self, ask: Request) -> tuple[int, bytes]:
        """The content: the root's token, and after a zero byte the holder of its lock, if any."""
        token, _, owner = ask.content.partition(b"\0")
        self.places.prepare(token)
        if owner:
            self.lock = Lock(self.places.staging, owner)
            self.lock.take()
            self.wire.heard = self.lock.live
        self.places.clear()
        return shape.DONE, self.places.staging

    def scan(self, ask: Request) -> tuple[int, bytes]:
        """The listings of many folders, sent piece by piece while more is looked at.

        What is reached over a link is not in the tree: it belongs elsewhere.
        """
        parts: list[bytes] = []
        size = 0
        real = {b"": True}
        for folder, known in marked(ask):
            listed = members(self.places.at(folder)) if self.is_real(folder, real) else None
            if listed is None:
                continue
            if known and mark(listed) == known:
                parts += (shape.FOLDER.pack(len(folder), shape.SAME), folder)
                continue
            listing = b"".join(listed.values())
            parts += (shape.FOLDER.pack(len(folder), len(listing)), folder, listing)
            size += len(listing)
            if size > PIECE:
                self.wire.answer(ask.number, shape.MORE, zlib.compress(b"".join(parts), 1))
                parts, size = [], 0
        return shape.DONE, zlib.compress(b"".join(parts), 1)

    def is_real(self, folder: bytes, real: dict[bytes, bool]) -> bool:
        """Whether it and all above it are folders, none a link; `real` says it of those seen before."""
        if folder not in real:
            above = folder.rpartition(b"/")[0]
            state = state_of(self.places.at(folder)) if self.is_real(above, real) else None
            real[folder] = state is not None and stat.S_ISDIR(state.st_mode)
        return real[folder]

    def digests(self, ask: Request) -> tuple[int, bytes]:
        """The digest of every file that can be read, as soon as it is known."""
        for name in names(ask):
            digest = blake2b(digest_size=shape.DIGEST)
            try:
                path = self.places.at(name)
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path, "rb", buffering=0) as file:
                    for piece in iter(lambda: file.read(PIECE), b""):
                        digest.update(piece)
            except OSError:
                continue
            self.wire.answer(ask.number, shape.MORE, digest.digest() + name)
            if len(self.wire.held) > 512:
                self.wire.flush()
        return shape.DONE, b""

    def read(self, ask: Request) -> tuple[int, bytes]:
        """A file's bytes, piece by piece."""
        with open(self.places.at(ask.path), "rb", buffering=0) as file:
            for piece in iter(lambda: file.read(PIECE), b""):
                self.wire.answer(ask.number, shape.MORE, piece)
        return shape.DONE, b""


def names(ask: Request) -> Iterator[bytes]:
    """The paths that a question is about."""
    data = zlib.decompress(ask.content)
    return iter(data[1:].split(b"\0")) if data else iter(())


def marked(ask: Request) -> Iterator[tuple[bytes, bytes]]:
    """The folders that a question is about, with the mark that each had when it was last seen, or b""."""
    data, at = zlib.decompress(ask.content), 0
    while at < len(data):
        path, known = data[at] << 8 | data[at + 1], data[at + 2]
        at += 3
        yield data[at : at + path], data[at + path : at + path + known]
        at += path + known


def members(folder: bytes) -> dict[bytes, bytes] | None:
    """Names in a folder, and what they are, packed; None when there is no such folder."""
    found = {}
    try:
        with os.scandir(folder) as listing:
            for member in listing:
                try:
                    state = member.stat(follow_symlinks=False)
                    mode = state.st_mode
                    target = os.readlink(member.path) if stat.S_ISLNK(mode) else b""
                except OSError:
                    continue  # it went meanwhile
                times = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
                found[member.name] = packed_member(member.name, kind_of(mode), times, mode & 0o7777, target)
    except OSError:
        return None
    return found


def mark(members: dict[bytes, bytes]) -> bytes:
    """A digest of all that is in a folder."""
    listing = b"".join([members[name] for name in sorted(members)])
    return blake2b(listing, digest_size=shape.DIGEST).digest()


def packed_member(name: bytes, kind: int, times: tuple[int, int, int], mode: int, target: bytes) -> bytes:
    """As it travels. Size and times of folders mean nothing here: they change with what is below."""
    size, mtime, ctime = times if kind != shape.FOLDER_KIND else (0, 0, 0)
    head = shape.LISTED.pack(kind, size, mtime, mode, ctime, len(name), len(target))
    return head + name + target
