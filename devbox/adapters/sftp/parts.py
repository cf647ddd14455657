"""Large files over plain SFTP: what arrived before the link broke does not travel again.

A large file is staged under a name that says its path and its content, and stays there when the link breaks.
Who puts the same content at the same path again goes on behind what surely arrived: `BATCH` bytes at most are
under way unanswered, so what lies that far before the end of the part was confirmed, in whatever order the
server works. Changed blocks of an older version are not looked for: SFTP has no way to verify what a copy on
the host (copy-data) would bring together.
"""

from __future__ import annotations

import time

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.places import Places
from devbox.ports.tree import Put, Sent, SourceChanged, new_digest

LARGE = 8 * 1024 * 1024
"""Bytes from which on a file is worth a second read here, which says what it is called there."""
BATCH = 4 * 1024 * 1024
"""Bytes of one file under way before its answers are awaited."""
KEPT = 7 * 86400
"""Seconds for which a part waits to be gone on with."""

_PART = b"part-"
_SAMPLE = 16 * 1024
_PIECE = 1024 * 1024


def is_waiting(name: bytes, mtime_ns: int) -> bool:
    """Whether something in staging is a part that may still be gone on with."""
    return name.startswith(_PART) and time.time() - mtime_ns / wire.SECOND < KEPT


def name_of(places: Places, operation: Put, sent: Sent) -> bytes:
    """Where this content for this path is staged; `SourceChanged` as from the source."""
    content, path = new_digest(), new_digest(operation.path)
    for piece in operation.source.chunks(_PIECE):
        content.update(piece)
        sent(0)
    where = path.hexdigest()[:24].encode()
    return b"%s/%s%s-%s" % (places.staging, _PART, where, content.hexdigest().encode())


def is_of(name: bytes, digest: bytes) -> bool:
    """Whether the part of that name is of the content with this digest."""
    return name.endswith(digest.hex().encode())


def open_part(places: Places, operation: Put, name: bytes) -> Task[tuple[wire.Reply, int]]:
    """Open the part, made where there is none, and say how many of its bytes stay. The path's others go."""
    own = name.rpartition(b"/")[2]
    others = {one for one in places.parts if one.startswith(own.rpartition(b"-")[0])} - {own}
    flags = wire.FOR_READING | wire.FOR_WRITING | wire.CREATE
    opened, found, *_ = yield [
        wire.open_file(name, flags, 0o600),
        wire.lstat(name),
        *(wire.remove(places.staging + b"/" + one) for one in others),
    ]
    places.parts -= others
    if not opened.ok or not found.entry:
        return opened, 0
    if found.entry.size > operation.size:  # nothing of ours
        _closed, opened = yield [wire.close(opened.blob), wire.open_file(name, flags | wire.TRUNCATE)]
        return opened, 0
    arrived = yield from _arrived(places, operation, opened.blob, found.entry.size)
    return opened, arrived


def _arrived(places: Places, operation: Put, handle: bytes, size: int) -> Task[int]:
    """How many bytes surely arrived; a sample of them is compared, for the host's disk may have lost some."""
    sure = (min(size, operation.size) - BATCH - places.chunk) // places.chunk * places.chunk
    if sure <= 0:
        return 0
    end, last = 0, b""
    try:
        for last in operation.source.chunks(places.chunk):
            end += len(last)
            if end >= sure:
                break
    except SourceChanged:  # who reads it for sending will say so
        return 0
    sample = last[-_SAMPLE:]
    (read,) = yield [wire.read(handle, sure - len(sample), len(sample))]
    return sure if end == sure and read.blob == sample else 0
