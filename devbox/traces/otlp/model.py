"""A span as OTLP carries it, whichever encoding it came in, and what becomes of it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from devbox.traces.model import KINDS, STATUSES, Operation, Span, SpanEvent

LONGEST = 4096
"""Letters of a name or a value; what is longer is cut, and ends in an ellipsis, as our recorder does it."""
MOST = 1 << 62


class Malformed(ValueError):
    """This is not what it says it is."""


@dataclass(slots=True)
class Raw:
    """The fields of one span; ids in lower-case hex, times in ns since the epoch."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    name: str = ""
    kind: int = 0
    start: int = 0
    end: int = 0
    status: int = 0
    message: str = ""
    tracestate: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """The spans of one resource."""

    resource: dict[str, Any]
    spans: list[Raw]

    @property
    def service(self) -> str:
        return str(self.resource.get("service.name") or "unknown_service")[:LONGEST]


@dataclass(slots=True)
class Accepted:
    """The spans of one resource that are kept, and why others are not."""

    group: Group
    spans: list[Span]
    refused: list[str]


def accepted(group: Group, identity: str) -> Accepted:
    """Turn a resource's spans into ours; those that cannot be one are refused, each with its reason."""
    found = Accepted(group, [], [])
    service = group.service
    known: dict[tuple[Any, ...], Operation] = {}
    for raw in group.spans:
        why = _flaw(raw)
        if why:
            found.refused.append(why)
            continue
        function, file, line = _place(raw.attributes)
        key = (raw.name, raw.kind, function, file, line)
        operation = known.get(key)
        if operation is None:
            kind = KINDS[raw.kind] if 0 <= raw.kind < len(KINDS) else KINDS[0]
            operation = known[key] = Operation(service, cut(raw.name), kind, function, file, line)
        found.spans.append(_span(raw, operation, identity))
    return found


_ZEROS = ("0" * 32, "0" * 16)


def _flaw(raw: Raw) -> str:
    if len(raw.trace_id) != 32 or raw.trace_id in _ZEROS:
        return "a trace id is not 16 bytes, or all zeros"
    if len(raw.span_id) != 16 or raw.span_id in _ZEROS:
        return "a span id is not 8 bytes, or all zeros"
    if raw.parent_id and len(raw.parent_id) != 16:
        return "a parent's id is not 8 bytes"
    if not 0 < raw.start <= raw.end < MOST:
        return "a span ends before it begins, or has no times"
    return ""


def _span(raw: Raw, operation: Operation, identity: str) -> Span:
    return Span(
        raw.trace_id,
        raw.span_id,
        "" if raw.parent_id in _ZEROS else raw.parent_id,
        operation,
        raw.start,
        raw.end,
        STATUSES[raw.status] if 0 <= raw.status < len(STATUSES) else STATUSES[0],
        cut(raw.message) if raw.message else "",
        raw.attributes,
        [SpanEvent(cut(name), at, about) for name, at, about in raw.events] if raw.events else (),
        raw.links,
        identity,
        raw.tracestate[:512],
    )


def _place(attributes: Mapping[str, Any]) -> tuple[str, str, int]:
    """Where a span's code is, by OpenTelemetry's names for it: those of today, and those before 1.30."""
    if not attributes:
        return "", "", 0
    get = attributes.get
    function = get("code.function.name") or get("code.function") or ""
    file = get("code.file.path") or get("code.filepath") or ""
    line = get("code.line.number") or get("code.lineno") or 0
    return str(function), str(file), line if type(line) is int and 0 < line < 1 << 31 else 0


def cut(text: str) -> str:
    """`text`, bounded in length; lone surrogates and such, which no file can hold, replaced."""
    short = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return short.encode(errors="replace").decode() if not short.isascii() else short
