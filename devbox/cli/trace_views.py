"""How `devbox trace` shows its findings in a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from devbox.traces.analyse import Edge, Slow, walk
from devbox.traces.render import duration, waterfall

if TYPE_CHECKING:
    from devbox.cli.console import Console
    from devbox.traces.compare.analyse import Comparison
    from devbox.traces.inspection import Inspected
    from devbox.traces.model import TraceSummary

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


def slow_view(console: Console, rows: Sequence[Slow], *, among: bool = False) -> str:
    """The slowest functions (`among` the traces of a search); times are self times."""
    if not rows:
        return "no trace fits" if among else "no spans yet"
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


def show_data(found: Inspected) -> dict[str, Any]:
    """One trace for programs: its spans in the order of the waterfall, and what was found out about it."""
    spans = [
        {**asdict(node.span), "self_time": node.self_time, "critical": node.critical}
        for node in walk(found.roots)
    ]
    return {
        "trace_id": spans[0]["trace_id"],
        "spans": spans,
        "critical_path": [
            {"span": step.node.span.span_id, "start": step.start, "end": step.end, "waiting": step.waiting}
            for step in found.steps
            if step.end > step.start
        ],
        "failures": [node.span.span_id for node in found.failures],
        "findings": [asdict(one) for one in found.findings],
    }


def show_view(console: Console, found: Inspected) -> str:
    """One trace: a headline, the waterfall, and what went wrong."""
    width = shutil.get_terminal_size((110, 24)).columns
    lines = waterfall(found.roots, width)
    spans = [node.span for node in walk(found.roots)]
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
    if found.findings:
        out += ["", "findings:"]
        out += [
            f"  {console.paint(one.kind, 'yellow')}: {one.text}; {one.advice}"
            for one in found.findings[:MOST_SAID]
        ]
    if found.failures:
        out += ["", "where it failed:"]
        failed = [node.span for node in found.failures]
        out += [f"  {span.operation.service}  {span.operation.name}: {span.message}" for span in failed]
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
