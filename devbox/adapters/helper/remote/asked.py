"""The questions: what stands there, what is in it."""

from __future__ import annotations

import os
import stat
import zlib
from _blake2 import blake2b

from devbox.adapters.helper.remote import wire as shape
from devbox.adapters.helper.remote.entries import kind_of
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
        self.table: dict[int, Any] = {
            shape.LOOK: lambda ask: (shape.DONE, b"\0".join(places.facts())),
            shape.PREPARE: self.prepare,
            shape.SCAN: self.scan,
            shape.DIGESTS: self.digests,
            shape.READ: self.read,
            shape.PING: lambda ask: (shape.DONE, b""),
        }

    def prepare(self, ask: Request) -> tuple[int, bytes]:
        self.places.prepare(ask.content)
        return shape.DONE, self.places.staging

    def scan(self, ask: Request) -> tuple[int, bytes]:
        """The listings of many folders, sent piece by piece while more is looked at."""
        parts: list[bytes] = []
        size = 0
        for folder in names(ask):
            listing = self.listing(self.places.at(folder))
            if listing is None:
                continue
            parts += (shape.FOLDER.pack(len(folder), len(listing)), folder, listing)
            size += len(listing)
            if size > PIECE:
                self.wire.answer(ask.number, shape.MORE, zlib.compress(b"".join(parts), 1))
                parts, size = [], 0
        return shape.DONE, zlib.compress(b"".join(parts), 1)

    def listing(self, folder: bytes) -> bytes | None:
        """What is in a folder; None when there is no such folder."""
        parts: list[bytes] = []
        try:
            with os.scandir(folder) as members:
                for member in members:
                    parts += listed(member)
        except OSError:
            return None
        return b"".join(parts)

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


def listed(member: os.DirEntry[bytes]) -> tuple[bytes, ...]:
    """One member of a folder, packed; nothing when it went meanwhile."""
    try:
        state = member.stat(follow_symlinks=False)
        mode = state.st_mode
        target = os.readlink(member.path) if stat.S_ISLNK(mode) else b""
    except OSError:
        return ()
    name = member.name
    fields = (state.st_size, state.st_mtime_ns, mode & 0o7777, state.st_ctime_ns, len(name), len(target))
    return shape.LISTED.pack(kind_of(mode), *fields), name, target
