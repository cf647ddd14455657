"""Comparison of two sets of traces by structure and latency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from devbox.traces.analyse import tree, walk
from devbox.traces.model import Span

Path = tuple[str, ...]
DEEPEST = 40


@dataclass(slots=True)
class Side:
    """One place of the call tree in one set: totals over all its traces, times in ns."""

    calls: int = 0
    errors: int = 0
    self_time: int = 0
    duration: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """One place of the call tree (`path`: service and name of each span from the root on) in both sets, per
    trace. `change` is the difference of self time per trace in ns, positive: slower.
    """

    path: Path
    before: Side
    after: Side
    calls: tuple[float, float]
    self_time: tuple[float, float]
    state: str
    """new, gone, same"""

    @property
    def change(self) -> float:
        return self.self_time[1] - self.self_time[0]


@dataclass(slots=True)
class _Set:
    traces: int = 0
    places: dict[Path, Side] = field(default_factory=lambda: defaultdict(Side))
    took: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`traces` and `took` (the median duration, ns) of both sets; their differences, the largest first."""

    traces: tuple[int, int]
    took: tuple[int, int]
    differences: Sequence[Difference]


def compare(before: Iterable[Sequence[Span]], after: Iterable[Sequence[Span]]) -> Comparison:
    """Compare two sets of traces, each trace as its spans."""
    one, two = _gathered(before), _gathered(after)
    rows = [_difference(path, one, two) for path in dict.fromkeys((*one.places, *two.places))]
    rows.sort(key=lambda row: (-abs(row.change), row.path))
    return Comparison((one.traces, two.traces), (_median(one.took), _median(two.took)), rows)


def _gathered(traces: Iterable[Sequence[Span]]) -> _Set:
    found = _Set()
    for spans in traces:
        if not spans:
            continue
        found.traces += 1
        found.took.append(max(span.end for span in spans) - min(span.start for span in spans))
        roots = tree(spans)
        paths: dict[str, Path] = {}
        for node in walk(roots):
            above = paths.get(node.span.parent_id, ())[-DEEPEST:]
            path = paths[node.span.span_id] = (*above, _label(node.span))
            side = found.places[path]
            side.calls += 1
            side.errors += node.span.failed
            side.self_time += node.self_time
            side.duration += node.span.duration
    return found


def _label(span: Span) -> str:
    return f"{span.operation.service} {span.operation.name}"


def _difference(path: Path, one: _Set, two: _Set) -> Difference:
    before, after = one.places.get(path, Side()), two.places.get(path, Side())
    state = "same" if before.calls and after.calls else "gone" if before.calls else "new"
    many, other = max(1, one.traces), max(1, two.traces)
    return Difference(
        path,
        before,
        after,
        (before.calls / many, after.calls / other),
        (before.self_time / many, after.self_time / other),
        state,
    )


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2] if values else 0
