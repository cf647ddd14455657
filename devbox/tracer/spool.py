"""Where ended spans go: a chain of memory-mapped segment files per process.

A span is in the page cache the moment it ends, so killing the process with SIGKILL loses nothing. There is no
thread, no queue and no flush, so leaving the process costs nothing either.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from _thread import RLock
from itertools import islice

from .layout import (
    CLOSED,
    DROPPED_REENTERED,
    DROPPED_UNWRITABLE,
    FIRST_INDEX,
    HEADER,
    MAGIC,
    PAGE,
    SLOT,
    SLOTS_SHIFT,
    SPAN,
    VERSION,
)
from .lines import line
from .meta import Meta
from .ring import MOST_IN_A_ROW, counted, fill, full_ring, make_segment, new_ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ring import Ring

FIRST_SIZE = 64 << 10
LARGEST_SIZE = 4 << 20
DEFAULT_LIMIT = 64 << 20
RETRY_NS = 1_000_000_000

_pack = SPAN.pack_into


class Spool:
    """The writing end. `ring` is read on every span's hot path: (buffer, next free index, its counter).

    Indices are handed out by an `itertools.count`, which is atomic under the GIL, as are a `zip` and an
    `islice` that take several in a row: threads need no lock until a segment is full, and that shows itself
    as an error of the write behind its end.
    """

    __slots__ = (
        "_before", "_dropped", "_folder", "_identity", "_limit", "_lock", "_meta", "_mixed", "_number",
        "_opening", "_resource", "_retry_at", "_segments", "_sites", "ring",
    )  # fmt: skip

    def __init__(self, folder: str, resource: dict[str, Any], limit: int = DEFAULT_LIMIT) -> None:
        self._folder = folder
        self._resource = resource
        self._limit = limit
        self._sites: list[str] = []
        self.restart()

    def restart(self) -> None:
        """Begin a new chain with a new identity: at the start, and in every forked child."""
        self._lock = RLock()
        self._identity = os.urandom(16).hex()
        self._meta = Meta(os.path.join(self._folder, f"{self._identity}.meta"))
        self._number = 0
        self._before = 0
        self._dropped = [0, 0]
        self._segments: list[tuple[str, int]] = []
        self._opening = False
        self._retry_at = 0
        self._mixed = False
        self.ring = full_ring()

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the parent's lock, whose holder says that the parent lives."""
        self._meta.close()
        self.restart()

    def add_site(self, site: dict[str, Any]) -> int:
        """Describe a site and get its number, valid in this process and its children."""
        described = line(site)
        with self._lock:
            self._sites.append(described)
            if self._meta.there:
                self._meta.add(described)
            return len(self._sites) - 1

    def write(self, head: int, trace: bytes, span: int, parent: int, start: int, end: int) -> None:
        """Store one ended span; times are `perf_counter_ns`."""
        while True:
            ring = self.ring
            index = ring[1]()
            try:
                _pack(ring[0], index * SLOT, head, trace, span, parent, start, end, index)
                return
            except struct.error:
                fill(ring[0], index, index)
                if not self._room_after(ring, index):
                    return

    def write_with(
        self, data: bytes, head: int, trace: bytes, span: int, parent: int, start: int, end: int
    ) -> None:
        """Store one ended span and the bytes that belong to it."""
        size = len(data)
        slots = size + SLOT - 1 >> 6
        head |= slots << SLOTS_SHIFT
        while True:
            ring = self.ring
            buffer = ring[0]
            self._mixed = True  # before it is, so that whoever counts the segment knows
            if slots < MOST_IN_A_ROW:
                index = ring[3][slots]()[0]
                last = index + slots
            else:
                last = next(islice(ring[2], slots, None))
                index = last - slots
            at = index * SLOT
            try:
                buffer[at + SLOT : at + SLOT + size] = data
                _pack(buffer, at, head, trace, span, parent, start, end, index)
                return
            except (IndexError, ValueError, struct.error):
                fill(buffer, index, last)
                if not self._room_after(ring, last):
                    return

    def _room_after(self, ring: Ring, last: int) -> bool:
        """Whether to try again. Where the slot `last` does exist, it was a value that fits into no slot."""
        if last < len(ring[0]) // SLOT:
            self._drop(0)
            return False
        return self.make_room(ring)

    def make_room(self, ring: Ring) -> bool:
        """Open the next segment unless another thread did. False: impossible now, and the span counted as
        dropped.
        """
        with self._lock:
            if self.ring is not ring:
                return True
            if self._opening:  # a finalizer or signal handler ended a span while this very thread is below
                self._drop(1)
                return False
            now = time.perf_counter_ns()
            self._opening = True
            try:
                if now >= self._retry_at:
                    self._finish(ring)
                    self._open()
                    return True
            except OSError as error:
                if not self._retry_at:
                    sys.stderr.write(f"devbox trace: cannot write spans to {self._folder}: {error}\n")
                self._retry_at = now + RETRY_NS
            finally:
                self._opening = False
            self._drop(0)
            return False

    def close(self) -> None:
        """Say that this process writes no more. Spans that still end are dropped silently: nobody could
        read on.
        """
        with self._lock:
            buffer = self.ring[0]
            if len(buffer):
                buffer[CLOSED] = 1
            self._meta.close()
            self.ring = full_ring()
            self._retry_at = 1 << 63

    def _drop(self, cause: int) -> None:
        self._dropped[cause] += 1
        buffer = self.ring[0]
        if len(buffer):
            offset = (DROPPED_UNWRITABLE, DROPPED_REENTERED)[cause]
            buffer[offset : offset + 8] = self._dropped[cause].to_bytes(8, "little")

    def _finish(self, ring: Ring) -> None:
        """Count the spans of a full segment, once those that other threads are just writing have arrived."""
        buffer = ring[0]
        if not len(buffer):
            return
        for _ in range(100):
            spans, complete = counted(buffer, self._mixed)
            if complete:
                break
            time.sleep(0.0001)
        self._segments[-1] = (self._segments[-1][0], spans)

    def _open(self) -> None:
        if self._meta.there:
            self._meta.add()
        else:
            os.makedirs(self._folder, exist_ok=True)
            about = line({"version": VERSION, "pid": os.getpid(), **self._resource})
            self._meta.open([about, *self._sites])
        number = self._number + 1
        size = min(FIRST_SIZE << 2 * (number - 1), LARGEST_SIZE, max(self._limit // 4, FIRST_SIZE))
        before = self._before + (self._segments[-1][1] if self._segments else 0)
        path = os.path.join(self._folder, f"{self._identity}.{number:06d}.ring")
        fresh = path + ".new"  # so that a reader never sees half a header
        buffer = make_segment(fresh, size)
        capacity = size // SLOT - FIRST_INDEX
        clocks = time.time_ns(), time.perf_counter_ns()
        HEADER.pack_into(buffer, 0, MAGIC, VERSION, PAGE, capacity, number, before, *clocks, *self._dropped)
        os.rename(fresh, path)
        self._number, self._before, self._retry_at = number, before, 0
        self._segments.append((path, 0))
        self._mixed = False
        self.ring = new_ring(buffer)
        self._hold_bound(size)

    def _hold_bound(self, newest: int) -> None:
        """Remove own oldest segments until the chain fits its bound again."""
        while len(self._segments) > 1:
            sizes = [newest]
            for path, _ in self._segments[:-1]:
                try:
                    sizes.append(os.stat(path).st_size)
                except OSError:  # the collector has read and removed it
                    sizes.append(0)
            if sizes[1] and sum(sizes) <= self._limit:
                return
            path, _ = self._segments.pop(0)
            if sizes[1]:
                os.unlink(path)
