"""What spans tell: trees, self times, slowest functions, critical path, service map. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from devbox.traces.model import Operation, Span


@dataclass(slots=True)
class Node:
    """A span in its tree. `missing`: its parent is named but was not (or not yet) seen."""

    span: Span
    depth: int = 0
    missing: bool = False
    critical: bool = False
    self_time: int = 0
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slow:
    """One function over all traces; times in ns, percentiles of the self time per call."""

    operation: Operation
    count: int
    errors: int
    total: int
    p50: int
    p95: int
    p99: int
    slowest: str
    """The trace with the slowest call."""
    trend: Sequence[int] = ()
    """Mean self time per call in the last steps of a quarter of a minute, oldest first; 0: did not run."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls from one service to another; times in ns as the callee saw them."""

    caller: str
    callee: str
    road: str
    count: int
    errors: int
    p50: int
    p95: int
    rate: float = 0.0
    """Calls per second over the last minute that had any."""


def tree(spans: Iterable[Span]) -> list[Node]:
    """The roots of one trace, children by start. Cycles of parents are cut: every span appears exactly
    once.
    """
    nodes: dict[str, Node] = {}
    for span in spans:
        nodes.setdefault(span.span_id, Node(span))
    roots: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        if parent is None:
            node.missing = bool(node.span.parent_id)
            roots.append(node)
        else:
            parent.children.append(node)
    reached = {node.span.span_id for node in walk(roots)}
    for key, node in nodes.items():
        if key not in reached:  # on a cycle, or below one
            nodes[node.span.parent_id].children.remove(node)
            node.missing = True
            roots.append(node)
            reached.update(one.span.span_id for one in walk([node]))
    _settle(roots)
    return sorted(roots, key=lambda node: node.span.start)


def _settle(roots: Sequence[Node]) -> None:
    for node in walk(roots):
        node.children.sort(key=lambda child: child.span.start)
        for child in node.children:
            child.depth = node.depth + 1
        node.self_time = self_time(node.span, (child.span for child in node.children))


def walk(roots: Iterable[Node]) -> Iterator[Node]:
    """Depth first, in the order in which a waterfall shows them. Any depth: nothing here recurses."""
    stack = list(roots)[::-1]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def self_time(span: Span, children: Iterable[Span]) -> int:
    """Time in which no child ran: the span's duration without the union of its children's, clipped to
    its own.
    """
    return uncovered(span.start, span.end, [(child.start, child.end) for child in children])


def uncovered(start: int, end: int, parts: Sequence[tuple[int, int]]) -> int:
    """How much of start..end lies in none of the parts."""
    covered = 0
    reached = start
    for part_start, part_end in sorted(parts):
        begin, finish = max(part_start, reached), min(part_end, end)
        if finish > begin:
            covered += finish - begin
            reached = finish
    return end - start - covered


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


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the critical path: from `start` to `end` the trace waited for this span itself, or, when
    `waiting`, for it to begin (a message in a queue).
    """

    node: Node
    start: int
    end: int
    waiting: bool = False


def critical_path(roots: Sequence[Node]) -> list[Node]:
    """The spans that the end of the trace had to wait for, in order; marks them `critical`."""
    path = {id(step.node): step.node for step in critical_steps(roots)}
    return sorted(path.values(), key=lambda node: (node.span.start, node.depth))


def critical_steps(roots: Sequence[Node]) -> list[Step]:
    """The whole critical path without gaps, in time; marks its spans `critical`.

    From the last end backwards: inside a span, the child that ended last before the point reached is what was
    waited for. A child that outlives its parent (a consumer behind a queue) extends the path beyond it.
    """
    if not roots:
        return []
    reach: dict[str, int] = {}
    for node in reversed(list(walk(roots))):
        reach[node.span.span_id] = max([node.span.end, *(reach[one.span.span_id] for one in node.children)])
    root = max(roots, key=lambda one: reach[one.span.span_id])
    steps: list[Step] = []
    stack = [(root, root.span.start, reach[root.span.span_id])]
    while stack:
        node, since, until = stack.pop()
        node.critical = True
        since = max(since, node.span.start)
        for child in sorted(node.children, key=lambda one: reach[one.span.span_id], reverse=True):
            if child.span.start >= until:
                continue
            end = min(until, reach[child.span.span_id])
            if end < until:
                steps.append(Step(node, max(since, end), until))
            stack.append((child, since, end))
            if child.span.start > node.span.end:
                begin = max(since, node.span.end)
                steps.append(Step(child, begin, max(begin, child.span.start), waiting=True))
            until = max(since, min(child.span.start, node.span.end))
        steps.append(Step(node, since, max(since, until)))
    return sorted(steps, key=lambda step: (step.start, step.end, step.node.depth))


def service_map(spans: Iterable[Span]) -> list[Edge]:
    """Who calls whom, by road, the busiest first. Callers that are not traced are called "(outside)"."""
    everything = list(spans)
    by_id = {(span.trace_id, span.span_id): span for span in everything}
    calls: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    for span in everything:
        if span.operation.kind not in ("server", "consumer"):
            continue
        parent = by_id.get((span.trace_id, span.parent_id))
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
