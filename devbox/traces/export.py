"""Traces for other tools: OTLP JSON (opentelemetry-proto 1.x, JSON encoding) and Chrome/Perfetto trace
events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from devbox.traces.model import KINDS, STATUSES, Span


def otlp(spans: Iterable[Span]) -> dict[str, Any]:
    """An ExportTraceServiceRequest: ids in hex, 64-bit numbers as texts, enums as numbers."""
    services: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for span in spans:
        services[span.operation.service].append(_otlp_span(span))
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": service})},
                "scopeSpans": [{"scope": {"name": "devbox.tracer"}, "spans": found}],
            }
            for service, found in services.items()
        ]
    }


def _otlp_span(span: Span) -> dict[str, Any]:
    operation = span.operation
    about = {
        "code.function.name": operation.function,
        "code.file.path": operation.file,
        "code.line.number": operation.line,
    }
    attributes = {**{key: value for key, value in about.items() if value}, **span.attributes}
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": operation.name,
        "kind": KINDS.index(operation.kind),
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _attributes(attributes),
        "events": [
            {"name": event.name, "timeUnixNano": str(event.at), "attributes": _attributes(event.attributes)}
            for event in span.events
        ],
        "links": [{"traceId": trace, "spanId": other} for trace, other in span.links],
        "status": {"code": STATUSES.index(span.status), "message": span.message},
    }


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(value)}}
    return {"stringValue": "" if value is None else str(value)}


def perfetto(spans: Iterable[Span]) -> dict[str, Any]:
    """Chrome's trace event format (complete events, microseconds); opens in ui.perfetto.dev."""
    services: dict[str, int] = {}
    events: list[dict[str, Any]] = []
    lanes: dict[str, list[int]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: (one.start, -one.duration)):
        service = span.operation.service
        process = services.setdefault(service, len(services) + 1)
        events.append(
            {
                "ph": "X",
                "name": span.operation.name,
                "cat": span.operation.kind,
                "ts": span.start / 1000,
                "dur": span.duration / 1000,
                "pid": process,
                "tid": _lane(lanes[service], span),
                "args": {"trace": span.trace_id, "span": span.span_id, **span.attributes},
            }
        )
    named = [
        {"ph": "M", "name": "process_name", "pid": process, "args": {"name": service}}
        for service, process in services.items()
    ]
    return {"traceEvents": named + events, "displayTimeUnit": "ms"}


def _lane(ends: list[int], span: Span) -> int:
    """A row in which nothing else runs: events of one row may nest there, but not overlap."""
    for lane, end in enumerate(ends):
        if end <= span.start:
            ends[lane] = span.end
            return lane + 1
    ends.append(span.end)
    return len(ends)
