"""One segment in memory: where free slots are handed out, filled up, and counted (see `layout`)."""

from __future__ import annotations

import mmap
import os
from itertools import count

from .layout import FIRST_INDEX, PAGE, SLOT, SLOTS_SHIFT, SPAN, TYPE_FILL, TYPE_SPAN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Ring = tuple[Any, Callable[[], int], count[int], Sequence[Callable[[], tuple[int, ...]]]]

MOST_IN_A_ROW = 8
"""Slots that are taken at once by the quickest way."""
_NO_TRACE = bytes(16)


def new_ring(buffer: Any) -> Ring:
    """(buffer, next free index, its counter, several in a row by how many). The index runs on behind the
    end: writing there fails.
    """
    indices = count(FIRST_INDEX)
    several = [zip(*[indices] * number, strict=False).__next__ for number in range(1, MOST_IN_A_ROW + 1)]
    return buffer, indices.__next__, indices, several


def full_ring() -> Ring:
    """A ring with no room: the first span that ends finds out and has a segment opened."""
    return new_ring(memoryview(bytearray(0)))


def make_segment(path: str, size: int) -> mmap.mmap:
    """A new file of `size` bytes, mapped. Raises `OSError`, leaving nothing, when there is no room."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        # A sparse file on a full disk would end us with SIGBUS at some later store: take the space now.
        os.posix_fallocate(fd, 0, size)
        os.fchmod(fd, 0o644)  # whoever collects is another user, whatever umask the application has
        return mmap.mmap(fd, size)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(fd)


def fill(buffer: Any, first: int, last: int) -> None:
    """Mark slots that were taken and stay unused, if they exist: whoever reads has to step over them."""
    for index in range(first, min(last + 1, len(buffer) // SLOT)):
        SPAN.pack_into(buffer, index * SLOT, TYPE_FILL, _NO_TRACE, 0, 0, 0, 0, index)


def counted(buffer: Any, mixed: bool) -> tuple[int, bool]:
    """The spans of a full segment, and whether all of its slots are finished."""
    if not mixed:
        types = bytes(buffer[PAGE::SLOT])
        return types.count(TYPE_SPAN), types.count(0) == 0
    spans, index, end = 0, FIRST_INDEX, len(buffer) // SLOT
    while index < end:
        head, _, _, _, _, _, written = SPAN.unpack_from(buffer, index * SLOT)
        if written != index:
            return spans, False
        spans += head & 0xFF == TYPE_SPAN
        index += 1 + (head >> SLOTS_SHIFT & 0xFFFF)
    return spans, True
