"""What spans tell: trees, self times, slowest functions, critical path, service map. Pure."""

from __future__ import annotations

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
    reach = _reach(roots)
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


def origins_of_failure(roots: Sequence[Node]) -> list[Node]:
    """The failed spans below which nothing failed, in time: whatever failed above failed because of them."""
    red: set[int] = set()
    found: list[Node] = []
    for node in reversed(list(walk(roots))):
        if not any(id(child) in red for child in node.children):
            if not node.span.failed:
                continue
            found.append(node)
        red.add(id(node))
    return sorted(found, key=lambda node: node.span.start)


def _reach(roots: Sequence[Node]) -> dict[str, int]:
    """Until when each span or something below it ran."""
    reach: dict[str, int] = {}
    for node in reversed(list(walk(roots))):
        end = node.span.end
        for child in node.children:
            end = max(end, reach[child.span.span_id])
        reach[node.span.span_id] = end
    return reach
