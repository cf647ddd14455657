"""The recorder's one state: switched on by `configure`, read by every span."""

from __future__ import annotations

import atexit
import os
import struct
import sys
import time
from contextvars import ContextVar
from itertools import count

from .layout import KIND_SHIFT, SITE_SHIFT, TYPE_SPAN
from .spool import Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Cell = list[Any]

MOST_NAMES = 4096
"""Distinct (name, place) pairs of `span()` that get a site of their own; later names travel with each
span.
"""

CURRENT: ContextVar[Cell | None] = ContextVar("devbox.span", default=None)
"""The active span as a cell: [trace id, span id, None or what was added, tracestate]. A list, because
one is made
per span and nothing is cheaper; `devbox.tracer.spans.Span` is its face."""


def _trace_ids() -> Iterator[tuple[bytes]]:
    while (
        True
    ):  # one system call for a thousand traces; all zeros is an invalid id (W3C trace-context 3.2.2.3)
        for found in struct.iter_unpack("16s", os.urandom(16384)):
            if any(found[0]):
                yield found


class Recorder:
    """One per process. `spool` is None while recording is off: then nothing costs more than that check."""

    __slots__ = ("_names", "cpu", "ids", "owners", "pid", "places", "root", "service", "spool", "traces")

    def __init__(self) -> None:
        self.spool: Spool | None = None
        self.pid = os.getpid()
        self.service = ""
        self.root: Cell | None = None
        self.cpu = False
        """Whether spans say how long they were on the processor (see `cpu`)."""
        self._names: dict[tuple[Any, ...], int] = {}
        self.places: dict[tuple[int, int, str, int], tuple[int, Any]] = {}
        self.owners: dict[str, str] = {}
        """Whose code is in a file: the application's, a library's, ours."""
        self.renew_ids()

    def renew_ids(self) -> None:
        """Span ids count up from a random 64-bit number: unique like random ones, and a tenth of their
        price.
        """
        self.ids: Callable[[], int] = count(int.from_bytes(os.urandom(8), "little") >> 1 | 1 << 40).__next__
        self.traces = _trace_ids()

    def new_trace(self) -> bytes:
        """A random trace id."""
        while True:
            try:
                return next(self.traces)[0]
            except (ValueError, StopIteration):  # another thread is inside the generator, or fork cut it
                self.traces = _trace_ids()

    def site(self, name: str, kind: int, function: str, file: str, line: int) -> int:
        """The constant part of a span's head for a place in the code."""
        key = name, kind, function, file, line
        found = self._names.get(key)
        if found is None:
            if self.spool is None:
                return TYPE_SPAN | kind << KIND_SHIFT
            described = {"name": name, "kind": kind, "function": function, "file": file, "line": line}
            number = self.spool.add_site(described)
            found = self._names[key] = TYPE_SPAN | kind << KIND_SHIFT | number << SITE_SHIFT
        return found

    def named(self, name: str, kind: int) -> int:
        """The same for a span of no place; 0 when there are too many names already."""
        if len(self._names) >= 2 * MOST_NAMES and (name, kind, "", "", 0) not in self._names:
            return 0
        return self.site(name, kind, "", "", 0)

    def start(self, service: str, folder: str, limit: int, extra: dict[str, Any]) -> None:
        """Begin to record. A second call with another service or folder starts a new spool."""
        if self.spool is not None:
            self.spool.close()
        resource = {
            "service": service,
            "host": os.uname().nodename,
            "python": sys.version.split()[0],
            "program": os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else "",
            "started": time.time_ns(),
            **extra,
        }
        self.service = service
        self._names.clear()
        self.places.clear()
        self.spool = Spool(folder, resource, limit)

    def stop(self) -> None:
        """Record no more; what is in the spool stays."""
        if self.spool is not None:
            self.spool.close()
        self.spool = None
        self._names.clear()
        self.places.clear()

    def after_fork(self) -> None:
        """A child is a process of its own: own spool, own ids; it continues the trace that it was forked
        in.
        """
        self.pid = os.getpid()
        self.renew_ids()
        if self.spool is not None:
            self.spool.leave_to_parent()

    def arrive(self) -> None:
        """To be called when work arrives from elsewhere: servers written in C (uWSGI) fork without a word."""
        if os.getpid() != self.pid:
            self.after_fork()


RECORDER = Recorder()
os.register_at_fork(after_in_child=RECORDER.after_fork)
atexit.register(RECORDER.stop)


def parent_cell() -> Cell:
    """The active span's cell, or one that stands for the beginning of a new trace (span id 0)."""
    cell = CURRENT.get()
    if cell is None:
        cell = RECORDER.root or [RECORDER.new_trace(), 0, None, ""]
    return cell
