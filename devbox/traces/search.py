"""Finding traces: the store's indexes give the candidates, newest or slowest first; what an index cannot say
is asked of the candidates' spans.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from devbox.traces.database import Database
from devbox.traces.model import TraceSummary
from devbox.traces.query import FOREVER, Group, Query
from devbox.traces.reading import spans_of
from devbox.traces.share import LONGEST_VALUE, token

ORDERS = {"newest": "t.start DESC", "slowest": "t.finish - t.start DESC"}
MOST_READ = 5_000
"""Candidates whose spans are read; a query that finds nothing among so many ends there."""

_ROW = (
    "SELECT t.id, t.start, t.finish, t.spans, t.errors, o.name, o.service, t.root, t.services, t.number"
    " FROM trace t LEFT JOIN operation o ON o.id = coalesce(t.root,"
    " (SELECT s.operation FROM span s WHERE s.trace = t.number ORDER BY s.start LIMIT 1))"
)


def search(database: Database, query: Query, limit: int, order: str = "newest") -> list[TraceSummary]:
    """At most `limit` traces that fit, in that order."""
    return [_summary(row) for row in _found(database, query, limit, order)]


def numbers(database: Database, query: Query, limit: int) -> list[int]:
    """The store's numbers of at most `limit` traces that fit, the newest first."""
    return [row[-1] for row in _found(database, query, limit, "newest")]


def _found(database: Database, query: Query, limit: int, order: str) -> list[Any]:
    conditions, values = _conditions(query)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    read = _must_be_read(query)
    rows = database.db.execute(
        f"{_ROW}{where} ORDER BY {ORDERS[order]} LIMIT ?", (*values, MOST_READ if read else limit)
    ).fetchall()
    return list(islice(_fitting(database, query, rows), limit)) if read else rows


def summaries(database: Database, trace_ids: Sequence[str]) -> list[TraceSummary]:
    """The rows of these traces, as far as they are here."""
    marks = ",".join("?" * len(trace_ids))
    names = [bytes.fromhex(one) for one in trace_ids]
    return [_summary(row) for row in database.db.execute(f"{_ROW} WHERE t.id IN ({marks})", names)]


def _fitting(database: Database, query: Query, rows: list[Any]) -> Iterator[Any]:
    for row in rows:
        if query.fits(list(spans_of(database, row[-1]))):
            yield row


def _summary(row: Sequence[Any]) -> TraceSummary:
    trace, start, finish, spans, errors, name, service, root, services, _ = row
    return TraceSummary(
        trace.hex(),
        name if root else f"{name or ''} (root not seen)".strip(),
        service or "",
        (services or "").split("\n") if services else [],
        start,
        finish - start,
        spans,
        errors,
    )


def _must_be_read(query: Query) -> bool:
    """Whether the indexes leave something open: several conditions on one span, places in the tree, tokens
    that attributes share.
    """
    if len(query.groups) > 1:
        return True
    return any(_terms(group) > 1 or group.tags for group in query.groups)


def _terms(group: Group) -> int:
    by_operation = bool(group.service or group.name or group.kind)
    by_time = group.least > 0 or group.most < FOREVER
    return by_operation + by_time + group.error + len(group.words) + len(group.tags)


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    """What has to hold for a trace's row; necessary always, sufficient unless `_must_be_read`."""
    parts = [*_of_trace(query), *(part for group in query.groups for part in _of_group(group))]
    return [text for text, *_ in parts], [value for _, *given in parts for value in given]


def _of_trace(query: Query) -> Iterator[tuple[Any, ...]]:
    """Conditions, each with its values, on when a trace was and how long."""
    now = time.time_ns()
    least = max([query.least, *(group.least for group in query.groups)])
    if least:
        yield "t.finish - t.start >= ?", least
    if query.most < FOREVER:
        yield "t.finish - t.start <= ?", query.most
    if query.oldest < FOREVER:
        yield "t.start >= ?", now - query.oldest
    if query.youngest:
        yield "t.start <= ?", now - query.youngest


def _of_group(group: Group) -> Iterator[tuple[Any, ...]]:
    """Conditions, each with its values, that a trace with such a span fulfils."""
    if group.service or group.name or group.kind:
        yield _by_operation(group)
    for key, value in group.tags:
        yield "t.number IN (SELECT trace FROM posting WHERE token = ?)", token(key, value[:LONGEST_VALUE])
    for word in group.words:
        yield _by_word(word)
    if group.error:
        yield ("t.errors > 0",)
    if group.least or group.most < FOREVER:
        text = "EXISTS (SELECT 1 FROM span s WHERE s.trace = t.number AND s.took BETWEEN ? AND ?)"
        yield text, group.least, group.most


def _by_operation(group: Group) -> tuple[str, ...]:
    text = "SELECT id FROM operation WHERE 1"
    values = []
    for column, value in (("service", group.service), ("kind", group.kind)):
        if value:
            text += f" AND {column} = ?"
            values.append(value)
    if group.name:
        text += r" AND name LIKE ? ESCAPE '\'"
        values.append(_part(group.name))
    return f"t.number IN (SELECT trace FROM posting WHERE token IN ({text}))", *values


def _by_word(word: str) -> tuple[str, ...]:
    like = r"LIKE ? ESCAPE '\'"
    operations = f"SELECT id FROM operation WHERE name {like} OR service {like} OR function {like}"
    text = (
        f"(t.number IN (SELECT trace FROM posting WHERE token IN ({operations}))"
        f" OR EXISTS (SELECT 1 FROM span s WHERE s.trace = t.number AND s.added {like}))"
    )
    return text, *[_part(word)] * 4


def _part(text: str) -> str:
    for letter in "\\%_":
        text = text.replace(letter, "\\" + letter)
    return f"%{text}%"
