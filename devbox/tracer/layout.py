"""The spool's layout on disk, version 2: shared by the writer here and by every reader.

A process writes two kinds of files, both named after its random 16-byte identity:

`<identity>.meta`
    JSON lines, appended only. The first line describes the process (service, pid, host, ...), every other
    line one *site*: what does not change between spans of the same origin (name, kind, function, file, line).
    The writer holds a shared `flock` on this file for as long as it lives, and had it before the file got
    its name.

`<identity>.<number>.ring`
    Segments, numbered from 1. One page of header, then 64-byte slots, filled once from front to back and
    never overwritten. When the process has written more than its bound, its oldest segments are removed.
    A span takes one slot; what was added to it (attributes, events, ...) lies in the slots that follow, as
    many as its head says: a dictionary in Python's marshal format, version 2, padded with anything. They are
    written before it. A span's slot ends with its own index, written last: a slot whose last word is not its
    index was never finished (the process was killed in the middle, or is about to go on).

All numbers are little-endian. Times are `perf_counter_ns`; the header holds one pair (wall clock, monotonic
clock) to turn them into time since the epoch.
"""

from __future__ import annotations

import struct

MAGIC = b"DBXSPAN\0"
VERSION = 2
PAGE = 4096
SLOT = 64
FIRST_INDEX = PAGE // SLOT
"""Index of the first slot: the slots are counted from the start of the file, so offset = index * SLOT."""

HEADER = struct.Struct("<8sIIQQQQQQQ")
"""magic, version, page, capacity (slots), segment number, spans in earlier segments, wall ns, monotonic ns,
dropped because nothing could be written, dropped because a span ended while its own segment was being
opened."""
DROPPED_UNWRITABLE = 56
DROPPED_REENTERED = 64
CLOSED = 72
"""Offsets of the counters in the header, and of the byte that is 1 once nothing more will be written."""

SPAN = struct.Struct("<Q16sQQqqQ")
"""head, trace id, span id, parent span id (0: none), start, end (negative: before the machine was up),
index."""

TYPE_SPAN = 1
TYPE_FILL = 2
"""A slot that was left empty, because what needed several did not fit into the rest of the segment."""
KIND_SHIFT = 8
STATUS_SHIFT = 11
REMOTE_PARENT = 1 << 14
SLOTS_SHIFT = 16
MOST_SLOTS = 768
SITE_SHIFT = 32
"""A head: type (8 bits), kind (3), status (2), parent is in another process (bit 14), slots that follow and
belong to it (16, never more than MOST_SLOTS), site (from bit 32)."""

ATTRIBUTES, STATUS, MESSAGE, EVENTS, LINKS, NAME = "a", "s", "m", "e", "l", "n"
"""Keys of what was added: attributes by name; status (in the head when it is written) and its message;
events as (name, monotonic ns, attributes); links as (trace id, span id, attributes); the name, where it is
not the site's."""

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
"""Span kinds, numbered as in OTLP (opentelemetry-proto trace.proto, SpanKind)."""
UNSET, OK, ERROR = 0, 1, 2
"""Status codes, numbered as in OTLP (trace.proto, Status.StatusCode)."""
