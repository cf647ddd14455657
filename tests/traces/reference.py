"""What the store's sums have to be, reckoned in the plainest way over all spans at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from devbox.traces.analyse import Edge, Slow, self_time
from devbox.traces.model import Operation, Span


def slowest(spans: Iterable[Span]) -> list[Slow]:
    """All functions of all traces by the sum of their self times, the guilty one first."""
    everything = list(spans)
    children: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in everything:
        if span.parent_id:
            children[span.trace_id, span.parent_id].append(span)
    calls: dict[Operation, list[tuple[int, Span]]] = defaultdict(list)
    for span in everything:
        own = self_time(span, children.get((span.trace_id, span.span_id), ()))
        calls[span.operation].append((own, span))
    rows = [_slow(operation, found) for operation, found in calls.items()]
    return sorted(rows, key=lambda row: (-row.total, row.operation.service, row.operation.name))


def _slow(operation: Operation, calls: list[tuple[int, Span]]) -> Slow:
    times = sorted(own for own, _ in calls)
    worst = max(calls, key=lambda call: call[0])[1]
    return Slow(
        operation,
        len(calls),
        sum(span.failed for _, span in calls),
        sum(times),
        percentile(times, 50),
        percentile(times, 95),
        percentile(times, 99),
        worst.trace_id,
    )


def percentile(ordered: Sequence[int], percent: float) -> int:
    """Nearest rank: a value that did occur."""
    if not ordered:
        return 0
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, min(len(ordered) - 1, int(rank) - 1))]


def service_map(spans: Iterable[Span]) -> list[Edge]:
    """Who calls whom, by road, the busiest first. Callers that are not traced are called "(outside)"."""
    everything = list(spans)
    by_id = {(span.trace_id, span.span_id): span for span in everything}
    calls: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    for span in everything:
        if span.operation.kind not in ("server", "consumer"):
            continue
        parent = by_id.get((span.trace_id, span.parent_id))
        own = parent and parent.operation.service == span.operation.service
        if own and parent and parent.operation.kind == "consumer":
            continue  # the message's time in the queue is a bar of its own: one call, not two
        caller = parent.operation.service if parent else "(outside)"
        road = str(span.attributes.get("road", "queue" if span.operation.kind == "consumer" else "http"))
        calls[caller, span.operation.service, road].append(span)
    edges = []
    for (caller, callee, road), found in calls.items():
        times = sorted(span.duration for span in found)
        errors = sum(span.failed for span in found)
        edges.append(
            Edge(caller, callee, road, len(found), errors, percentile(times, 50), percentile(times, 95))
        )
    return sorted(edges, key=lambda edge: (-edge.count, edge.caller, edge.callee, edge.road))
