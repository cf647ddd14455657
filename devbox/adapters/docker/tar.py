"""A build context as a tar stream: sorted, uid and gid 0, times in whole seconds, nothing kept in memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator

from devbox.errors import DaemonError
from devbox.ports.build import BuildContext, ContextEntry, EntryKind

_CHUNK = 1 << 18
_TYPES = {
    EntryKind.FILE: tarfile.REGTYPE,
    EntryKind.FOLDER: tarfile.DIRTYPE,
    EntryKind.LINK: tarfile.SYMTYPE,
    EntryKind.FIFO: tarfile.FIFOTYPE,
}


def stream(context: BuildContext) -> Iterator[bytes]:
    """The context in chunks; the same tree gives the same bytes. Small files travel together."""
    pending = bytearray()
    for entry in context.entries():
        pending += header(entry)
        if entry.kind is EntryKind.FILE:
            for chunk in _content(context, entry):
                pending += chunk
                if len(pending) >= _CHUNK:
                    yield bytes(pending)
                    pending.clear()
            pending += bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(pending) + bytes(2 * tarfile.BLOCKSIZE)


def header(entry: ContextEntry) -> bytes:
    """The tar header (GNU format: names of any length and any bytes)."""
    name = entry.path + "/" if entry.kind is EntryKind.FOLDER else entry.path
    info = tarfile.TarInfo(name)
    info.type = _TYPES[entry.kind]
    info.mode = entry.mode
    info.size = entry.size if entry.kind is EntryKind.FILE else 0
    info.mtime = entry.mtime // 1_000_000_000
    info.linkname = entry.target
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content(context: BuildContext, entry: ContextEntry) -> Iterator[bytes]:
    """Exactly `size` bytes: growth is cut (a log that is written to), a loss is a stated failure."""
    left = entry.size
    with context.open(entry.path) as file:
        while left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise DaemonError(
                    "became shorter while it was sent",
                    where=entry.path,
                    next_steps=["run the same command again", "or name the file in .dockerignore"],
                )
            left -= len(chunk)
            yield chunk
