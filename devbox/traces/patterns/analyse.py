"""All patterns of a trace, the most expensive first."""

from __future__ import annotations

from collections.abc import Sequence

from devbox.traces.analyse import Node, walk
from devbox.traces.model import Span
from devbox.traces.patterns.crowd import Beside, Interval, convoys
from devbox.traces.patterns.model import Finding
from devbox.traces.patterns.rules import TELLING, missing_parents, of_span

MOST = 50


def alone(span: Span) -> Sequence[Interval]:
    """Where nobody knows of other traces."""
    return ()


def findings(roots: Sequence[Node], beside: Beside = alone) -> list[Finding]:
    """What the patterns find in a trace; at most MOST, the most expensive first. `beside` tells of the calls
    in other traces.
    """
    nodes = list(walk(roots))
    if not nodes:
        return []
    took = max(node.span.end for node in nodes) - min(node.span.start for node in nodes)
    found = list(missing_parents(roots))
    for node in nodes:
        if node.children:
            found += of_span(node, int(took * TELLING))
    found += convoys(roots, int(took * TELLING), beside)
    skewed = set()
    for one in list(found):
        if one.kind == "clock skew":  # said once per pair of services
            key = " ".join(one.text.split(" clock is")[:1] + one.text.split()[-1:])
            if key in skewed:
                found.remove(one)
            skewed.add(key)
    return sorted(found, key=lambda one: -one.cost)[:MOST]
