"""Spool bytes -> spans. Tolerant: a record that was never finished is counted, not believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from devbox.tracer import layout
from devbox.traces.model import KINDS, STATUSES, Operation, Span, SpanEvent
from devbox.traces.packed import unpack


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
    """Decodes the segments of one process."""

    def __init__(self, identity: str, service: str) -> None:
        self.identity = identity
        self.service = service
        self.sites: list[Operation] = []

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
        slots = len(data) // layout.SLOT
        first = offset // layout.SLOT
        shift = head.wall - head.monotonic
        at = 0
        while at < slots:
            record = layout.SPAN.unpack_from(data, at * layout.SLOT)
            after = at + 1 + (record[0] >> layout.SLOTS_SHIFT & 0xFFFF)
            # A slot is read from its start while its index is written last: read in the middle of its
            # writing, it has its index already, but no head yet.
            if record[6] != first + at or not record[0] or after > slots:
                if not final:
                    break
                at = _next_finished(data, at + 1, first)
                found.torn += 1
                continue
            if record[0] & 0xFF == layout.TYPE_SPAN:
                if after == at + 1:
                    found.spans.append(self._plain(record, shift))
                else:
                    text = data[(at + 1) * layout.SLOT : after * layout.SLOT]
                    found.spans.append(self._span(record, _added(text), shift))
            at = after
        found.offset = (first + at) * layout.SLOT
        return found

    def _plain(self, record: tuple[Any, ...], shift: int) -> Span:
        """A span to which nothing was added: most are such."""
        head, trace, span, parent, start, end, _ = record
        return Span(
            trace.hex(),
            f"{span:016x}",
            f"{parent:016x}" if parent else "",
            self._origin(head),
            start + shift,
            (end if end > start else start) + shift,
            _status(head),
            "",
            _NOTHING,
            (),
            (),
            self.identity,
        )

    def _span(self, record: tuple[Any, ...], added: Mapping[str, Any], shift: int) -> Span:
        found = self._plain(record, shift)
        if layout.NAME in added:
            found.operation = replace(found.operation, name=str(added[layout.NAME]))
        found.message = str(added.get(layout.MESSAGE, ""))
        found.attributes = added.get(layout.ATTRIBUTES, _NOTHING)
        found.events = [
            SpanEvent(name, at + shift, about) for name, at, about in added.get(layout.EVENTS, ())
        ]
        found.links = [(one[0], one[1]) for one in added.get(layout.LINKS, ())]
        return found

    def _origin(self, head: int) -> Operation:
        site = head >> layout.SITE_SHIFT
        return self.sites[site] if site < len(self.sites) else Operation(self.service, "(unknown)")


def _status(head: int) -> str:
    code = head >> layout.STATUS_SHIFT & 3
    return STATUSES[code] if code < len(STATUSES) else STATUSES[0]


_NOTHING: Mapping[str, Any] = {}


def _added(text: bytes) -> dict[str, Any]:
    """What was added to a span; whatever has another shape than the recorder's is said in its place."""
    try:
        found = unpack(text)
        for event in found.get(layout.EVENTS, ()):
            name, at, about = event
            if not (type(name) is str and type(at) is int and type(about) is dict):
                raise ValueError("an event of another shape")
        for link in found.get(layout.LINKS, ()):
            if [type(one) for one in link] != [str, str, dict]:
                raise ValueError("a link of another shape")
        if type(found.get(layout.ATTRIBUTES, {})) is not dict:
            raise ValueError("attributes of another shape")
    except (ValueError, TypeError) as why:
        return {layout.ATTRIBUTES: {"devbox.unreadable": str(why)}}
    return found


def _next_finished(data: bytes, at: int, first: int) -> int:
    """The next slot that was finished: what a killed thread left before it is one span at most."""
    while at < len(data) // layout.SLOT:
        if layout.SPAN.unpack_from(data, at * layout.SLOT)[6] == first + at:
            return at
        at += 1
    return at
