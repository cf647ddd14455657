"""What the page is given, as JSON values. Durations and times are in ns; a trace's spans come as columns, in
the order of the waterfall, for there may be a hundred thousand of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from devbox.traces.analyse import Edge, Slow, uncovered
from devbox.traces.buckets import middle, percentile_of, rank_of
from devbox.traces.compare.analyse import Comparison
from devbox.traces.inspection import inspected
from devbox.traces.model import Operation, Span, TraceSummary
from devbox.traces.patterns.analyse import alone
from devbox.traces.patterns.crowd import Beside
from devbox.traces.share import Row

FAILED, MISSING = 1, 4
"""Flags of a span (2 is the page's own: on the critical path)."""

MOST_FAILURES = 50
MOST_NAMED = 20
"""Services that a row of the list names."""

Locate = Callable[[str], str]
"""A file as a span names it -> the same file on this machine, or ""."""


def summary(one: TraceSummary) -> dict[str, Any]:
    """One row of the list of traces."""
    return {
        "id": one.trace_id,
        "name": one.name,
        "service": one.service,
        "services": list(one.services[:MOST_NAMED]),
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


def trace(name: str, rows: Sequence[Row], known: Mapping[int, Operation], locate: Locate) -> dict[str, Any]:
    """A trace's shape: all that a first look needs, from stored rows by start; `analysis` is the rest."""
    order, parents = _in_tree_order(rows)
    place = {at: position for position, at in enumerate(order)}
    start = rows[0][3]
    kinds: dict[int, int] = {}
    sorted_rows = [rows[at] for at in order]
    return {
        "id": name,
        "start": start,
        "took": max(row[3] + row[4] for row in rows) - start,
        "spans": {
            "id": [row[0].hex() for row in sorted_rows],
            "parent": [place[parents[at]] if at in parents else -1 for at in order],
            "op": [kinds.setdefault(row[2], len(kinds)) for row in sorted_rows],
            "start": [row[3] - start for row in sorted_rows],
            "took": [row[4] for row in sorted_rows],
            "self": _self_times(rows, order, parents),
            "flags": [
                (row[5] == 2) * FAILED + (row[1] is not None and at not in parents) * MISSING
                for at, row in zip(order, sorted_rows, strict=True)
            ],
        },
        "operations": [operation(known[number], locate) for number in kinds],
    }


def _in_tree_order(rows: Sequence[Row]) -> tuple[list[int], dict[int, int]]:
    """The rows' places depth first, children by start; and each one's parent. Cycles of parents are cut."""
    at_of = {row[0]: at for at, row in enumerate(rows)}
    parents = {at: at_of[row[1]] for at, row in enumerate(rows) if row[1] in at_of}
    children: dict[int, list[int]] = defaultdict(list)
    for at, parent in parents.items():
        children[parent].append(at)
    order: list[int] = []
    reached: set[int] = set()
    for first in [at for at in range(len(rows)) if at not in parents] + list(parents):
        if first in reached:
            continue
        parents.pop(first, None)  # a root already, or the place where a cycle is cut
        stack = [first]
        while stack:
            at = stack.pop()
            if at in reached:
                continue
            reached.add(at)
            order.append(at)
            if at in children:
                stack.extend(reversed(children[at]))
    return order, parents


def _self_times(rows: Sequence[Row], order: Sequence[int], parents: Mapping[int, int]) -> list[int]:
    parts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for at, parent in parents.items():
        parts[parent].append((rows[at][3], rows[at][3] + rows[at][4]))
    return [
        uncovered(rows[at][3], rows[at][3] + rows[at][4], parts[at]) if at in parts else rows[at][4]
        for at in order
    ]


def analysis(spans: Sequence[Span], beside: Beside = alone) -> dict[str, Any]:
    """What there is to say about a trace: its critical path, where it failed, its patterns. Spans by id."""
    found = inspected(spans, beside)
    start = min(span.start for span in spans)
    return {
        "critical": list(dict.fromkeys(step.node.span.span_id for step in found.steps)),
        "steps": [
            [step.node.span.span_id, step.start - start, step.end - start, int(step.waiting)]
            for step in found.steps
            if step.end > step.start
        ],
        "failures": [
            {"span": node.span.span_id, "message": node.span.message}
            for node in found.failures[:MOST_FAILURES]
        ],
        "findings": [asdict(one) for one in found.findings],
    }


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
