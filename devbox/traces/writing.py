"""Spans -> stored rows."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from devbox.traces.compact import compact
from devbox.traces.model import STATUSES, Operation, Process, Span
from devbox.traces.share import token

MOST_VALUES = 500
"""Values in one statement: SQLite has taken 999 in all of its versions."""
Row = tuple[Any, ...]
_STATUS = {status: number for number, status in enumerate(STATUSES)}
_FAILED = _STATUS["error"]
_COUNT = (
    "UPDATE trace SET start = min(start, ?), finish = max(finish, ?), spans = spans + ?,"
    " errors = errors + ?, root = coalesce(?, root), dirty = 1 WHERE number = ?"
)
"""Brings a trace's row up to date with new spans."""


class Writer:
    """Inserts; remembers the numbers of operations, until it is told to forget them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[Operation, int] = {}

    def forget(self) -> None:
        """What was remembered may not be there any more: a transaction was undone."""
        self._known.clear()

    def insert(self, process: Process, spans: Sequence[Span]) -> None:
        """Within a transaction of the caller's. Known spans stay as they are."""
        owner = self._process(process)
        by_trace: dict[str, list[Span]] = defaultdict(list)
        for span in spans:
            by_trace[span.trace_id].append(span)
        # By the object, not by its value, whose hash would be a tenth of the whole price.
        operations = {id(span.operation): span.operation for span in spans}
        numbers = {key: self._operation(one) for key, one in operations.items()}
        rows: dict[int, list[Row]] = {}
        postings: list[tuple[int, int]] = []
        traces = self._traces([bytes.fromhex(trace) for trace in by_trace])
        for number, found in zip(traces, by_trace.values(), strict=True):
            rows[number] = [_row(number, owner, numbers[id(span.operation)], span) for span in found]
            postings += [(one, number) for one in _tokens(found, rows[number])]
        self._add(rows, {number: name for number, name in traces.items() if name}, len(spans))
        postings.sort()  # the index is written in its own order then
        self._db.executemany("INSERT OR IGNORE INTO posting VALUES (?, ?)", postings)

    def _add(self, rows: Mapping[int, Sequence[Row]], new: Mapping[int, bytes], amount: int) -> None:
        before = self._db.total_changes
        self._db.executemany(
            "INSERT OR IGNORE INTO span VALUES (?,?,?,?,?,?,?,?,?)", chain.from_iterable(rows.values())
        )
        known = rows if self._db.total_changes - before == amount else {}
        self._db.executemany(
            "INSERT INTO trace VALUES (?,?,?,?,?,?,?,1,NULL,NULL)",
            [
                (number, name, *_counted(known.get(number) or self._stored(number)))
                for number, name in new.items()
            ],
        )
        if known:
            old = [(number, found) for number, found in rows.items() if number not in new]
            self._db.executemany(_COUNT, [(*_counted(found), number) for number, found in old])
            return
        for number in rows.keys() - new:  # some were known: after a kill, or sent twice
            self._db.execute("UPDATE trace SET spans = 0, errors = 0 WHERE number = ?", (number,))
            self._db.execute(_COUNT, (*_counted(self._stored(number)), number))

    def _stored(self, number: int) -> list[Row]:
        return self._db.execute("SELECT * FROM span WHERE trace = ?", (number,)).fetchall()

    def _process(self, process: Process) -> int:
        self._db.execute(
            "INSERT OR IGNORE INTO process VALUES (NULL,?,?,?,?,0,0,0,0,0)",
            (process.identity, process.service, json.dumps(dict(process.resource)), '{"offsets":{}}'),
        )
        row = self._db.execute(
            "SELECT number FROM process WHERE identity = ?", (process.identity,)
        ).fetchone()
        return int(row[0])

    def _traces(self, names: Sequence[bytes]) -> dict[int, bytes]:
        """The numbers of these traces, in their order; of those that are new with their names."""
        numbers: dict[bytes, int] = {}
        for at in range(0, len(names), MOST_VALUES):
            some = names[at : at + MOST_VALUES]
            marks = ",".join("?" * len(some))
            numbers.update(self._db.execute(f"SELECT id, number FROM trace WHERE id IN ({marks})", some))
        (last,) = self._db.execute("SELECT coalesce(max(number), 0) FROM trace").fetchone()
        found: dict[int, bytes] = {}
        for name in names:
            if name in numbers:
                found[numbers[name]] = b""
            else:
                last += 1
                found[last] = name
        return found

    def _operation(self, operation: Operation) -> int:
        if operation in self._known:
            return self._known[operation]
        values = (
            operation.service,
            operation.name,
            operation.kind,
            operation.function,
            operation.file,
            operation.line,
        )
        self._db.execute(
            "INSERT OR IGNORE INTO operation (service, name, kind, function, file, line)"
            " VALUES (?,?,?,?,?,?)",
            values,
        )
        (found,) = self._db.execute(
            "SELECT id FROM operation WHERE service = ? AND name = ? AND kind = ? AND function = ?"
            " AND file = ? AND line = ?",
            values,
        ).fetchone()
        self._known[operation] = found
        return int(found)


def _row(number: int, owner: int, operation: int, span: Span) -> Row:
    return (
        number,
        bytes.fromhex(span.span_id),
        bytes.fromhex(span.parent_id) or None,
        operation,
        span.start,
        span.end - span.start,
        _STATUS[span.status],
        owner,
        _added(span),
    )


def _counted(rows: Sequence[Row]) -> tuple[Any, ...]:
    """What a trace's row says of its spans: first start, last end, how many, how many failed, the root."""
    return (
        min(row[4] for row in rows),
        max(row[4] + row[5] for row in rows),
        len(rows),
        sum(row[6] == _FAILED for row in rows),
        next((row[3] for row in rows if row[2] is None), None),
    )


def _tokens(spans: Sequence[Span], rows: Sequence[Row]) -> set[int]:
    """What a trace is found by: see `posting` in the schema."""
    found = {row[3] for row in rows}
    for span in spans:
        for key, value in span.attributes.items():
            found.add(token(key, value))
    return found


def _added(span: Span) -> str | None:
    """What only some spans have, as JSON; the words in it stay readable, for they are searched."""
    added: dict[str, Any] = {}
    if span.attributes:
        added["a"] = dict(span.attributes)
    if span.events:
        added["e"] = [[event.name, event.at, dict(event.attributes)] for event in span.events]
    if span.links:
        added["l"] = list(span.links)
    if span.message:
        added["m"] = span.message
    if span.tracestate:
        added["t"] = span.tracestate
    return compact(added) if added else None
