"""Self time by function, over all spans: who is slow, rather than who waits for the slow one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from devbox.traces.model import Span


def slowest(spans: Iterable[Span]) -> list[tuple[str, float]]:
    """Names by the seconds that were spent in them and in none of their children, most first."""
    all_spans = list(spans)
    children: dict[str, list[Span]] = defaultdict(list)
    for span in all_spans:
        children[span.parent_id].append(span)
    total: dict[str, float] = defaultdict(float)
    for span in all_spans:
        total[span.operation.name] += _own(span, children[span.span_id]) / 1e9
    return sorted(total.items(), key=lambda item: -item[1])


def _own(span: Span, children: list[Span]) -> int:
    own, at = span.end - span.start, span.start
    for child in sorted(children, key=lambda one: one.start):
        start, end = max(child.start, at), min(child.end, span.end)
        if end > start:
            own -= end - start
            at = end
    return own
