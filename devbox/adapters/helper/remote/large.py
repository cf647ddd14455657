"""Large files: blocks that are here already do not travel again, and what arrived before a cut is kept."""

from __future__ import annotations

import os
import stat
from _blake2 import blake2b

from devbox.adapters.helper.remote.places import PART, remove_quietly
from devbox.adapters.helper.remote.wire import BLOCK, BLOCK_DIGEST, LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Basis:
    """What is here already: the part that an interrupted try left, behind its end the version in place."""

    def __init__(self, part: bytes, target: bytes) -> None:
        self.handles: list[tuple[int, int]] = []
        for path in (part, target):
            try:
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            state = os.fstat(handle)
            if stat.S_ISREG(state.st_mode):
                self.handles.append((handle, state.st_size))
            else:
                os.close(handle)

    def block(self, number: int) -> bytes:
        """The bytes of that block, b"" behind the end."""
        start = number * BLOCK
        for handle, size in self.handles:
            if start + BLOCK <= size:
                return os.pread(handle, BLOCK, start)
        for handle, size in self.handles:
            if start < size:
                return os.pread(handle, BLOCK, start)
        return b""

    def digests(self) -> Iterator[bytes]:
        """The digest of every block."""
        number = 0
        while True:
            data = self.block(number)
            if not data:
                return
            yield blake2b(data, digest_size=BLOCK_DIGEST).digest()
            number += 1

    def close(self) -> None:
        """Let go of the files."""
        for handle, _size in self.handles:
            os.close(handle)
        self.handles = []


def part_of(staging: bytes, path: bytes) -> bytes:
    """Where the part of a file that is on its way is kept when the link breaks."""
    return staging + b"/" + PART + blake2b(path, digest_size=12).hexdigest().encode()


def keep(staged: bytes, part: bytes) -> None:
    """The link broke: keep what arrived, unless more is kept already."""
    try:
        size = os.stat(staged).st_size
        if size >= LARGE and not (os.path.exists(part) and os.stat(part).st_size > size):
            os.rename(staged, part)
    except OSError:
        pass
    remove_quietly(staged)
