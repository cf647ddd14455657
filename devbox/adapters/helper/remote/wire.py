"""Both directions of the helper's channel, and the shapes of what travels.

To the helper: segments (length, then bytes that may be compressed) that carry requests (head, body); the
content of large files follows its request in chunks. From it: answers (head, rest).
"""

from __future__ import annotations

import os
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

HELLO = b"\0devbox-helper 2\n"
SEGMENT = struct.Struct(">I")
COMPRESSED = 0x80000000
# number, operation, flags, size, mtime_ns, mode, lengths of path and target, count of expected entries,
# length of the body: path, target, expected entries, content
HEAD = struct.Struct(">IBBQqIHHBI")
# kind, coarse, size, mtime_ns, mode, ctime_ns, length of the link's target
ENTRY = struct.Struct(">BBQqIqH")
# number, result, length of the rest
REPLY = struct.Struct(">IBI")
LENGTH = struct.Struct(">I")
# of a scan's answer: length of the folder's path, length of its listing; SAME: it still has its mark
FOLDER = struct.Struct(">HI")
SAME = 0xFFFFFFFF
# of a listing: an entry, with the length of the name
LISTED = struct.Struct(">BQqIqHH")

PUT, LINK, MKDIR, META, REMOVE, RMDIR, MOVE = range(7)
LOOK, PREPARE, SCAN, DIGESTS, READ, PING, BLOCKS = range(16, 23)
FORCE, IN_PLACE, INLINE = 1, 2, 4
DONE, KEPT, CONFLICT, UNSTABLE, FAILED, MORE = range(6)
ABORT = 0xFFFFFFFF
FILE_KIND, FOLDER_KIND, LINK_KIND, OTHER_KIND = 1, 2, 3, 4
DIGEST = 20
# bytes of a file from which on it is asked what of it is there already
LARGE = 8 << 20
BLOCK = 1 << 17
BLOCK_DIGEST = 16
# instead of a chunk's length: so many blocks are those that are here already
SAME_BLOCKS = 0x80000000


class Request:
    """One request: its head, and what its body says."""

    __slots__ = ("code", "content", "expects", "flags", "mode", "mtime", "number", "path", "size", "target")

    def __init__(self, wire: Wire) -> None:
        head = HEAD.unpack(wire.read(HEAD.size))
        self.number, self.code, self.flags, self.size, self.mtime, self.mode = head[:6]
        path, target, count, length = head[6:]
        body = wire.read(length)
        self.path, at = body[:path], path + target
        self.target = body[path:at]
        self.expects = []
        for _ in range(count):
            end = at + ENTRY.size + ENTRY.unpack_from(body, at)[-1]
            self.expects.append(body[at:end])
            at = end
        self.content = body[at:]


class Wire:
    """Answers are held back until there is nothing left to read: one packet for many."""

    def __init__(self, source: BinaryIO, out: int) -> None:
        self.source, self.out = source, out
        self.held: list[bytes] = []
        self.data = b""
        self.at = 0
        self.heard: Callable[[], None] | None = None

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; EOFError at the end."""
        while len(self.data) - self.at < size:
            self.flush()
            self.data = self.data[self.at :] + self.segment()
            self.at = 0
        start, self.at = self.at, self.at + size
        return self.data[start : self.at]

    def segment(self) -> bytes:
        """The next segment's bytes."""
        head = self.source.read(SEGMENT.size)
        if len(head) < SEGMENT.size:
            raise EOFError
        if self.heard:
            self.heard()
        (length,) = SEGMENT.unpack(head)
        size = length & ~COMPRESSED
        data = self.source.read(size)
        if len(data) < size:
            raise EOFError
        return zlib.decompress(data) if length & COMPRESSED else data

    def chunks(self, block: Callable[[int], bytes]) -> Iterator[bytes]:
        """The pieces of one content; raises ValueError when the other side takes it back.

        `block` gives those that are here already, by their number.
        """
        number = 0
        while True:
            (length,) = LENGTH.unpack(self.read(LENGTH.size))
            if length == ABORT:
                raise ValueError
            if not length:
                return
            if length & SAME_BLOCKS:
                for _ in range(length & ~SAME_BLOCKS):
                    yield block(number)
                    number += 1
            else:
                yield self.read(length)
                number += 1

    def answer(self, number: int, result: int, rest: bytes = b"") -> None:
        """Answer a request, soon; `MORE` when that was not all."""
        self.held.append(REPLY.pack(number, result, len(rest)) + rest)
        if len(rest) > 65536:
            self.flush()

    def flush(self) -> None:
        """Send what is held back."""
        data, self.held = b"".join(self.held), []
        while data:
            data = data[os.write(self.out, data) :]
