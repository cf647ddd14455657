"""Everything there is to say about one trace: what the page and the terminal both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devbox.traces.analyse import Node, Step, critical_steps, origins_of_failure, tree
from devbox.traces.model import Span
from devbox.traces.patterns.analyse import alone, findings
from devbox.traces.patterns.crowd import Beside
from devbox.traces.patterns.model import Finding


@dataclass(frozen=True, slots=True)
class Inspected:
    """`roots` with their critical path marked, the path's `steps`, where failing began, and the patterns."""

    roots: Sequence[Node]
    steps: Sequence[Step]
    failures: Sequence[Node]
    findings: Sequence[Finding]


def inspected(spans: Sequence[Span], beside: Beside = alone) -> Inspected:
    """Look at a trace; `beside` tells of the calls in other traces."""
    roots = tree(spans)
    return Inspected(roots, critical_steps(roots), origins_of_failure(roots), findings(roots, beside))
