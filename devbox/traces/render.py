"""A trace as lines of text: names, bars on one time axis, durations. Colours are the printer's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from devbox.traces.analyse import Node, critical_path, walk

BAR = "━"
THIN = "─"
LEAST_BAR = 10


@dataclass(frozen=True, slots=True)
class WaterfallLine:
    """One span: `name` (indented), `bar`, `took`, and how it deserves to be shown."""

    service: str
    name: str
    bar: str
    took: str
    failed: bool
    critical: bool


def waterfall(roots: Sequence[Node], width: int) -> list[WaterfallLine]:
    """One line per span in `width` columns. The critical path has thick bars, everything else thin ones."""
    nodes = list(walk(roots))
    if not nodes:
        return []
    critical_path(roots)
    first = min(node.span.start for node in nodes)
    last = max(node.span.end for node in nodes)
    service = max(len(node.span.operation.service) for node in nodes)
    names = [_name(node) for node in nodes]
    label = min(max(map(len, names)), max(20, (width - service) // 2))
    room = max(LEAST_BAR, width - service - label - 14)
    lines = []
    for node, name in zip(nodes, names, strict=True):
        span = node.span
        bar = _bar(node, first, max(1, last - first), room)
        short = name if len(name) <= label else name[: label - 1] + "…"
        lines.append(
            WaterfallLine(
                span.operation.service.ljust(service),
                short.ljust(label),
                bar,
                duration(span.duration),
                span.failed,
                node.critical,
            )
        )
    return lines


def _name(node: Node) -> str:
    lost = "(parent missing) " if node.missing else ""
    return "  " * min(node.depth, 20) + lost + _printable(node.span.operation.name)


def _printable(text: str) -> str:
    """Names come from outside: nothing in them may steer the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _bar(node: Node, first: int, total: int, room: int) -> str:
    start = min(room - 1, (node.span.start - first) * room // total)
    length = max(1, min(room - start, round(node.span.duration * room / total)))
    return (" " * start + (BAR if node.critical else THIN) * length).ljust(room)


def duration(ns: float) -> str:
    """Short and comparable: 870 ns, 12.3 us, 4.56 ms, 1.20 s."""
    for limit, unit, divisor in ((1e3, "ns", 1), (1e6, "us", 1e3), (1e9, "ms", 1e6)):
        if ns < limit:
            value = ns / divisor
            return f"{value:.0f} {unit}" if divisor == 1 or value >= 100 else f"{value:.3g} {unit}"
    return f"{ns / 1e9:.2f} s"
