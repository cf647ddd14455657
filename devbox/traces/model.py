"""Spans as the room knows them, and traces made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


@dataclass(frozen=True, slots=True)
class Operation:
    """What spans of the same origin share."""

    service: str
    name: str
    kind: str = "internal"
    function: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened inside a span, at `at` ns since the epoch."""

    name: str
    at: int
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)  # not frozen: setting so many fields of a frozen one takes four times as long
class Span:
    """One ended span, never changed. Ids are lower-case hex; times are ns since the epoch of the clock where
    it ran.
    """

    trace_id: str
    span_id: str
    parent_id: str
    operation: Operation
    start: int
    end: int
    status: str = "unset"
    message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[SpanEvent] = ()
    links: Sequence[tuple[str, str]] = ()
    process: str = ""
    tracestate: str = ""

    @property
    def duration(self) -> int:
        """In ns."""
        return self.end - self.start

    @property
    def failed(self) -> bool:
        return self.status == "error"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that recorded: its identity, service, and what it said about itself."""

    identity: str
    service: str
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """Where a process's ended spans went: created = stored + overrun + unwritable + reentered + torn, always.

    overrun: removed by the process when its spool was full and nobody had collected; unwritable: no
    space or no
    permission; reentered: ended in a finalizer while a segment was being opened; torn: killed within the
    write.
    """

    stored: int = 0
    overrun: int = 0
    unwritable: int = 0
    reentered: int = 0
    torn: int = 0

    @property
    def dropped(self) -> int:
        return self.overrun + self.unwritable + self.reentered + self.torn

    @property
    def created(self) -> int:
        return self.stored + self.dropped


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One row of the list of traces; times in ns."""

    trace_id: str
    name: str
    service: str
    services: Sequence[str]
    start: int
    duration: int
    spans: int
    errors: int
