"""What the page is given, as JSON values. Durations and times are in ns; a trace's spans come as columns, in
the order of the waterfall, for there may be a hundred thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from devbox.traces.analyse import Edge, Node, Slow, critical_steps, tree, walk
from devbox.traces.buckets import middle, percentile_of, rank_of
from devbox.traces.compare.analyse import Comparison
from devbox.traces.model import Operation, Span, TraceSummary
from devbox.traces.patterns.analyse import findings

FAILED, CRITICAL, MISSING, TOLD = 1, 2, 4, 8
"""Flags of a span; TOLD: it has events."""

Locate = Callable[[str], str]
"""A file as a span names it -> the same file on this machine, or ""."""


def summary(one: TraceSummary) -> dict[str, Any]:
    """One row of the list of traces."""
    return {
        "id": one.trace_id,
        "name": one.name,
        "service": one.service,
        "services": list(one.services),
        "start": one.start,
        "took": one.duration,
        "spans": one.spans,
        "errors": one.errors,
    }


def function(row: Slow, locate: Locate) -> dict[str, Any]:
    """One row of the slowest functions."""
    return {
        **operation(row.operation, locate),
        "calls": row.count,
        "errors": row.errors,
        "self": row.total,
        "p50": row.p50,
        "p95": row.p95,
        "p99": row.p99,
        "example": row.slowest,
        "trend": list(row.trend),
    }


def operation(one: Operation, locate: Locate) -> dict[str, Any]:
    """What spans of one origin share; `local` is the source file on this machine, if it is here."""
    return {**asdict(one), "local": locate(one.file) if one.file else ""}


def edge(one: Edge) -> dict[str, Any]:
    """One edge of the service map."""
    return asdict(one)


def trace(spans: Sequence[Span], locate: Locate) -> dict[str, Any]:
    """A whole trace, analysed."""
    roots = tree(spans)
    steps = critical_steps(roots)
    nodes = list(walk(roots))
    index = {node.span.span_id: at for at, node in enumerate(nodes)}
    start = min(span.start for span in spans)
    kinds: dict[Operation, int] = {}
    columns: dict[str, list[Any]] = {
        "id": [node.span.span_id for node in nodes],
        "parent": [-1 if not node.depth else index[node.span.parent_id] for node in nodes],
        "op": [kinds.setdefault(node.span.operation, len(kinds)) for node in nodes],
        "start": [node.span.start - start for node in nodes],
        "took": [node.span.duration for node in nodes],
        "self": [node.self_time for node in nodes],
        "flags": [_flags(node) for node in nodes],
    }
    return {
        "id": spans[0].trace_id,
        "start": start,
        "took": max(span.end for span in spans) - start,
        "operations": [operation(one, locate) for one in kinds],
        "spans": columns,
        "steps": [
            [index[step.node.span.span_id], step.start - start, step.end - start, int(step.waiting)]
            for step in steps
            if step.end > step.start
        ],
        "findings": [
            {**asdict(one), "spans": [index[name] for name in one.spans]} for one in findings(roots)
        ],
    }


def _flags(node: Node) -> int:
    span = node.span
    told = TOLD if span.events else 0
    return span.failed * FAILED + node.critical * CRITICAL + node.missing * MISSING + told


def detail(span: Span, peers: Mapping[int, int], own: int, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about one span; `own` is its self time, `peers` all calls of its operation in buckets."""
    return {
        "attributes": dict(span.attributes),
        "events": [asdict(event) for event in span.events],
        "links": [list(link) for link in span.links],
        "message": span.message,
        "status": span.status,
        "process": dict(resource),
        "calls": sum(peers.values()),
        "rank": rank_of(peers, own),
        "p50": percentile_of(peers, 50),
        "p95": percentile_of(peers, 95),
        "peers": [[middle(number), count] for number, count in sorted(peers.items())],
    }


def told(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """All events of a trace, in time: its log."""
    start = min(span.start for span in spans)
    lines = [
        {"span": span.span_id, "at": event.at - start, "name": event.name, "about": dict(event.attributes)}
        for span in spans
        for event in span.events
    ]
    return sorted(lines, key=lambda line: line["at"])


def comparison(found: Comparison, most: int = 500) -> dict[str, Any]:
    """Two sets of traces side by side."""
    rows = [
        {
            "path": list(one.path),
            "state": one.state,
            "calls": one.calls,
            "self": one.self_time,
            "errors": [one.before.errors, one.after.errors],
            "change": one.change,
        }
        for one in found.differences[:most]
    ]
    return {
        "traces": found.traces,
        "took": found.took,
        "rows": rows,
        "more": len(found.differences) - len(rows),
    }
