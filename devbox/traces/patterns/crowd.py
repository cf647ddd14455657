"""The convoy that no single trace shows: requests that stand in line for the same thing, each in a trace of
its own. Pure: who ran beside a span is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median

from devbox.traces.analyse import Node, walk
from devbox.traces.model import Span
from devbox.traces.patterns.model import Finding
from devbox.traces.render import duration

Interval = tuple[int, int]
Beside = Callable[[Span], Sequence[Interval]]
"""From when to when other calls of the same operation ran in the same process, as far as they overlap it."""

LEAST = 10_000_000
"""ns of a span's own time below which nobody asks why."""
LOOKED_AT = 3
"""Spans of a trace that are asked about: each costs a look into the traces beside it."""
IN_LINE = 3
LONGER = 2.5
"""Times the shortest call beside it that a call must take to be one that waited."""
EXPLAINED = 0.6
"""Part of the call's time that the line in front of it must make up."""
SURE = 6
"""Calls in line from which on their even ends say enough, when they came unevenly."""
EVEN = 2.0
"""Times the usual step that a step may be longer or shorter."""


def convoys(roots: Sequence[Node], least: int, beside: Beside) -> Iterator[Finding]:
    """Spans that waited for their turn behind those of other requests."""
    own = [node for node in walk(roots) if _may_wait(node, max(least, LEAST))]
    for node in sorted(own, key=lambda one: -one.self_time)[:LOOKED_AT]:
        found = _convoy(node, beside(node.span))
        if found:
            yield found


def _may_wait(node: Node, least: int) -> bool:
    inside = node.span.operation.kind in ("internal", "server")
    return inside and bool(node.span.process) and node.self_time >= max(least, node.span.duration // 2)


def _convoy(node: Node, others: Sequence[Interval]) -> Finding | None:
    span = node.span
    calls = [(span.start, span.end), *others]
    shortest = min(end - start for start, end in calls)
    passed = [(start, end) for start, end in calls if span.start < end <= span.end]
    ends = sorted(end for _, end in passed)
    if len(ends) < IN_LINE or not _is_even(ends):
        return None
    usual = _usual(ends)
    if usual > 1.5 * shortest or usual * len(ends) < EXPLAINED * span.duration:
        return None
    # Calls that do not wait for each other end as evenly or unevenly as they began, each after its time.
    came_unevenly = len(ends) >= SURE and not _is_even(sorted(start for start, _ in passed))
    if span.duration < LONGER * shortest and not came_unevenly:
        return None
    return Finding(
        "convoy",
        f"{span.operation.name} took {duration(span.duration)}, for it stood in line: {len(ends)} requests"
        f" were let through one after the other, {duration(usual)} apart",
        "they wait for the same lock or connection: hold it shorter, or have more of it",
        [span.span_id],
        span.duration - usual,
    )


def _usual(times: Sequence[int]) -> int:
    return int(median(later - earlier for earlier, later in pairwise(times)))


def _is_even(times: Sequence[int]) -> bool:
    steps = [later - earlier for earlier, later in pairwise(times)]
    usual = median(steps)
    return min(steps) * EVEN >= usual and max(steps) <= usual * EVEN
