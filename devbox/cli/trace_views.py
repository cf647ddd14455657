"""How `devbox trace` shows its findings in a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from devbox.traces.analyse import Edge, Slow, tree
from devbox.traces.patterns.analyse import findings
from devbox.traces.render import duration, waterfall

if TYPE_CHECKING:
    from devbox.cli.console import Console
    from devbox.traces.compare.analyse import Comparison
    from devbox.traces.model import Span, TraceSummary

SHORT_ID = 12
MOST_SAID = 10
"""Findings that a terminal shows."""


def trace_rows(console: Console, traces: Sequence[TraceSummary], *, header: bool = True) -> str:
    """One line per trace, newest first."""
    if not traces:
        return "no traces yet"
    rows = [
        [
            one.trace_id[:SHORT_ID],
            datetime.fromtimestamp(one.start / 1e9).strftime("%H:%M:%S.%f")[:-3],
            f"{duration(one.duration):>8}",
            f"{one.spans:>5}",
            f"{one.errors or '-':>6}",
            one.name,
            " ".join(one.services),
        ]
        for one in traces
    ]
    if not header:
        return "\n".join("  ".join(row) for row in rows)
    return console.table(
        ["TRACE", "AT", "TOOK", "SPANS", "ERRORS", "NAME", "SERVICES"], rows, frozenset((2, 3, 4))
    )


def slow_view(console: Console, rows: Sequence[Slow]) -> str:
    """The slowest functions; times are self times."""
    if not rows:
        return "no spans yet"
    cells = [
        [
            duration(row.total),
            str(row.count),
            str(row.errors or "-"),
            duration(row.p50),
            duration(row.p95),
            duration(row.p99),
            row.operation.service,
            row.operation.name,
            f"{row.operation.file}:{row.operation.line}" if row.operation.file else "",
        ]
        for row in rows
    ]
    header = ["SELF", "CALLS", "ERRORS", "P50", "P95", "P99", "SERVICE", "FUNCTION", "WHERE"]
    return console.table(header, cells, frozenset(range(6)))


def show_view(console: Console, spans: Sequence[Span]) -> str:
    """One trace: a headline, the waterfall, and what went wrong."""
    width = shutil.get_terminal_size((110, 24)).columns
    roots = tree(spans)
    lines = waterfall(roots, width)
    services = {span.operation.service for span in spans}
    total = max(span.end for span in spans) - min(span.start for span in spans)
    headline = (
        f"trace {spans[0].trace_id}: {duration(total)}, {len(spans)} spans, {len(services)} services "
        "(thick: the critical path)"
    )
    out = [headline]
    for line in lines:
        colour = "red" if line.failed else "cyan" if line.critical else "dim"
        bar = console.paint(line.bar, colour)
        name = console.paint(line.name, "red") if line.failed else line.name
        mark = " !" if line.failed else ""
        out.append(f"{console.paint(line.service, 'blue')}  {name}  {bar} {line.took:>8}{mark}")
    said = findings(roots)
    if said:
        out += ["", "findings:"]
        out += [
            f"  {console.paint(one.kind, 'yellow')}: {one.text}; {one.advice}" for one in said[:MOST_SAID]
        ]
    failures = [span for span in spans if span.failed]
    if failures:
        out += ["", "errors:"]
        out += [f"  {span.operation.service}  {span.operation.name}: {span.message}" for span in failures]
    return "\n".join(out)


def diff_view(console: Console, found: Comparison, limit: int) -> str:
    """The largest differences per trace, slower ones in red, faster ones in green."""
    rows = []
    for row in found.differences[:limit]:
        sign = "+" if row.change > 0 else "-" if row.change < 0 else " "
        before, after = (
            duration(one) if calls else "-" for one, calls in zip(row.self_time, row.calls, strict=True)
        )
        calls = " -> ".join(f"{one:g}" for one in dict.fromkeys(round(one, 1) for one in row.calls))
        state = "" if row.state == "same" else row.state
        rows.append(
            [f"{sign}{duration(abs(row.change))}", before, after, calls, state, " > ".join(row.path[-3:])]
        )
    one, two = found.took
    headline = (
        f"{found.traces[0]} traces before, {found.traces[1]} after; the median took {duration(one)},"
        f" now {duration(two)}; self time per trace:"
    )
    table = console.table(["CHANGE", "BEFORE", "AFTER", "CALLS", "", "WHERE"], rows, frozenset(range(4)))
    return f"{headline}\n\n{table}"


def map_view(console: Console, edges: Sequence[Edge]) -> str:
    """Calls between services."""
    if not edges:
        return "no calls between services yet"
    rows = [
        [
            edge.caller,
            edge.callee,
            edge.road,
            str(edge.count),
            f"{edge.rate:.1f}/s",
            str(edge.errors or "-"),
            duration(edge.p50),
            duration(edge.p95),
        ]
        for edge in edges
    ]
    return console.table(
        ["FROM", "TO", "ROAD", "CALLS", "RATE", "ERRORS", "P50", "P95"], rows, frozenset(range(3, 8))
    )
