"""Stored rows -> spans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from devbox.traces.analyse import uncovered
from devbox.traces.database import Database
from devbox.traces.model import STATUSES, Operation, Span, SpanEvent
from devbox.traces.share import Row

REACH = 60_000_000_000
"""ns; who ran beside a span is looked for in traces that began so long before it."""
MOST_BESIDE = 500

_SELECT = (
    "SELECT t.id, s.id, s.parent, s.operation, s.start, s.took, s.status, s.added, p.identity,"
    " o.service, o.name, o.kind, o.function, o.file, o.line FROM span s JOIN trace t ON t.number = s.trace"
    " JOIN operation o ON o.id = s.operation JOIN process p ON p.number = s.process"
)


def spans_of(database: Database, number: int) -> Iterator[Span]:
    """The spans of one trace, by start."""
    return _spans(database.db.execute(f"{_SELECT} WHERE s.trace = ? ORDER BY s.start", (number,)))


def all_spans(database: Database) -> Iterator[Span]:
    """Every span there is, by trace and start."""
    return _spans(database.db.execute(f"{_SELECT} ORDER BY s.trace, s.start"))


def span_of(database: Database, number: int, span_id: str) -> tuple[Span, int] | None:
    """One span and its self time; what is below it is not read."""
    name = bytes.fromhex(span_id)
    found = next(
        _spans(database.db.execute(f"{_SELECT} WHERE s.trace = ? AND s.id = ?", (number, name))), None
    )
    if found is None:
        return None
    parts = database.db.execute(
        "SELECT start, start + took FROM span WHERE trace = ? AND parent = ?", (number, name)
    )
    return found, uncovered(found.start, found.end, parts.fetchall())


def beside(database: Database, span: Span) -> list[tuple[int, int]]:
    """From when to when other calls of the same operation ran in the same process, as far as they overlap
    that one; of traces that began within REACH before it.
    """
    one = span.operation
    return database.db.execute(
        "SELECT s.start, s.start + s.took FROM posting p CROSS JOIN trace t ON t.number = p.trace"
        " CROSS JOIN span s ON s.trace = t.number WHERE p.token = (SELECT id FROM operation WHERE service = ?"
        " AND name = ? AND kind = ? AND function = ? AND file = ? AND line = ?)"
        " AND t.start BETWEEN ? AND ? AND s.operation = p.token"
        " AND s.process = (SELECT number FROM process WHERE identity = ?)"
        " AND s.start < ? AND s.start + s.took > ? AND s.id != ? LIMIT ?",
        (
            *(one.service, one.name, one.kind, one.function, one.file, one.line),
            *(span.start - REACH, span.end, span.process),
            *(span.end, span.start, bytes.fromhex(span.span_id), MOST_BESIDE),
        ),
    ).fetchall()


def outline(database: Database, number: int) -> list[Row]:
    """The spans of one trace by start, as they are stored: quick, for those who want its shape first."""
    return database.db.execute(
        "SELECT id, parent, operation, start, took, status, added FROM span WHERE trace = ? ORDER BY start",
        (number,),
    ).fetchall()


def number_of(database: Database, trace_id: str) -> int | None:
    """The store's number of a trace."""
    try:
        name = bytes.fromhex(trace_id)
    except ValueError:
        return None
    row = database.db.execute("SELECT number FROM trace WHERE id = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def _spans(rows: Iterator[Sequence[Any]]) -> Iterator[Span]:
    operations: dict[int, Operation] = {}
    for trace, span, parent, operation, start, took, status, text, process, *about in rows:
        if operation not in operations:
            operations[operation] = Operation(*about)
        added = json.loads(text) if text else {}
        yield Span(
            trace.hex(),
            span.hex(),
            parent.hex() if parent else "",
            operations[operation],
            start,
            start + took,
            STATUSES[status],
            added.get("m", ""),
            added.get("a", {}),
            [SpanEvent(*event) for event in added.get("e", ())],
            [tuple(link) for link in added.get("l", ())],
            process,
            added.get("t", ""),
        )
