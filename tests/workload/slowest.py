"""Self time by function, over all spans: who is slow, rather than who waits for the slow one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from devbox.traces.model import Span
from tests.workload.patterns import children, own


def slowest(spans: Iterable[Span]) -> list[tuple[str, float]]:
    """Names by the seconds that were spent in them and in none of their children, most first."""
    found = list(spans)
    below = children(found)
    total: dict[str, float] = defaultdict(float)
    for span in found:
        total[span.operation.name] += own(span, below[span.span_id]) / 1e9
    return sorted(total.items(), key=lambda item: -item[1])
