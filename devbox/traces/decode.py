"""Spool bytes -> spans. Tolerant: a record that was never finished is counted, not believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devbox.tracer import layout
from devbox.traces.model import KINDS, STATUSES, Operation, Span, SpanEvent


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """A segment's header."""

    capacity: int
    number: int
    before: int
    wall: int
    monotonic: int
    unwritable: int
    reentered: int
    closed: bool

    @property
    def size(self) -> int:
        """Of the whole file, in bytes."""
        return (self.capacity + layout.FIRST_INDEX) * layout.SLOT


@dataclass(slots=True)
class Decoded:
    """What one read of a segment gave. `offset` is where the next read has to begin."""

    offset: int
    spans: list[Span] = field(default_factory=list)
    torn: int = 0


def parse_head(data: bytes) -> SegmentHead | None:
    """None when this is not a segment of a version that we understand."""
    if len(data) <= layout.CLOSED:
        return None
    magic, version, page, capacity, *rest = layout.HEADER.unpack_from(data)
    if magic != layout.MAGIC or version != layout.VERSION or page != layout.PAGE:
        return None
    number, before, wall, monotonic, unwritable, reentered = rest
    closed = data[layout.CLOSED] == 1
    return SegmentHead(capacity, number, before, wall, monotonic, unwritable, reentered, closed)


class Decoder:
    """Decodes the segments of one process. `pending` are texts whose span has not come yet, by span id."""

    def __init__(self, identity: str, service: str, pending: dict[int, bytes] | None = None) -> None:
        self.identity = identity
        self.service = service
        self.sites: list[Operation] = []
        self.pending: dict[int, bytes] = pending or {}

    def add_site(self, line: Mapping[str, Any]) -> None:
        """The next line of the meta file."""
        kind = KINDS[line["kind"]]
        self.sites.append(
            Operation(self.service, line["name"], kind, line["function"], line["file"], line["line"])
        )

    def decode(self, head: SegmentHead, offset: int, data: bytes, *, final: bool) -> Decoded:
        """Spans from the slots in `data`, which starts at `offset` of the file.

        Stops at the first slot that is not finished, because a running process may be about to finish
        it; with
        `final` nobody will: such slots are counted as torn and stepped over.
        """
        found = Decoded(offset)
        usable = len(data) // layout.SLOT * layout.SLOT
        index = offset // layout.SLOT
        shift = head.wall - head.monotonic
        for record in layout.SPAN.iter_unpack(data[:usable]):
            if record[6] != index:
                if not final:
                    break
                found.torn += record[0] & 0xFF != layout.TYPE_TEXT
            elif record[0] & 0xFF == layout.TYPE_SPAN:
                found.spans.append(self._span(record, shift))
            elif record[0] & 0xFF == layout.TYPE_TEXT:
                at = (index * layout.SLOT) - offset
                self._text(layout.TEXT.unpack_from(data, at))
            index += 1
        found.offset = index * layout.SLOT
        return found

    def _text(self, record: tuple[int, int, bytes, int]) -> None:
        head, span, piece, _ = record
        part = head >> 16 & 0xFFFF
        so_far = self.pending.pop(span, b"") if part else b""
        self.pending[span] = so_far + piece[: head >> 8 & 0xFF]

    def _span(self, record: tuple[Any, ...], shift: int) -> Span:
        head, trace, span, parent, start, end, _ = record
        added = self._added(span) if head & layout.HAS_TEXT else {}
        site = head >> layout.SITE_SHIFT
        operation = self.sites[site] if site < len(self.sites) else Operation(self.service, "(unknown)")
        if "n" in added:
            operation = Operation(
                self.service, added["n"], operation.kind, operation.function, operation.file, operation.line
            )
        return Span(
            trace.hex(),
            f"{span:016x}",
            f"{parent:016x}" if parent else "",
            operation,
            start + shift,
            max(start, end) + shift,
            STATUSES[head >> layout.STATUS_SHIFT & 3 if (head >> layout.STATUS_SHIFT & 3) < 3 else 0],
            added.get("m", ""),
            added.get("a", {}),
            [SpanEvent(name, at + shift, about) for name, at, about in added.get("e", ())],
            [(one[0], one[1]) for one in added.get("l", ())],
            self.identity,
        )

    def _added(self, span: int) -> dict[str, Any]:
        try:
            found = json.loads(self.pending.pop(span, b"{}"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
