"""Spans -> stored rows."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from devbox.traces.model import STATUSES, Operation, Process, Span
from devbox.traces.share import token

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
"""One encoder for all: json.dumps makes a new one for every call that is not all defaults."""


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
        for trace_id, found in by_trace.items():
            number = self._trace(trace_id, found[0].start)
            rows = [self._row(number, owner, span) for span in found]
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO span VALUES (?,?,?,?,?,?,?,?,?)", rows)
            if self._db.total_changes - before == len(rows):
                self._count(number, rows)
            else:
                self._recount(number)
            self._post(number, found, rows)

    def _process(self, process: Process) -> int:
        self._db.execute(
            "INSERT OR IGNORE INTO process VALUES (NULL,?,?,?,?,0,0,0,0,0)",
            (process.identity, process.service, json.dumps(dict(process.resource)), '{"offsets":{}}'),
        )
        row = self._db.execute(
            "SELECT number FROM process WHERE identity = ?", (process.identity,)
        ).fetchone()
        return int(row[0])

    def _trace(self, trace_id: str, start: int) -> int:
        name = bytes.fromhex(trace_id)
        row = self._db.execute("SELECT number FROM trace WHERE id = ?", (name,)).fetchone()
        if row:
            return int(row[0])
        added = self._db.execute(
            "INSERT INTO trace VALUES (NULL,?,?,?,0,0,NULL,1,NULL,NULL)", (name, start, start)
        )
        return int(added.lastrowid or 0)

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

    def _row(self, number: int, owner: int, span: Span) -> tuple[Any, ...]:
        return (
            number,
            bytes.fromhex(span.span_id),
            bytes.fromhex(span.parent_id) or None,
            self._operation(span.operation),
            span.start,
            span.end - span.start,
            STATUSES.index(span.status),
            owner,
            _added(span),
        )

    def _count(self, number: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """Bring the trace's row up to date with new spans."""
        roots = [row[3] for row in rows if row[2] is None]
        self._db.execute(
            "UPDATE trace SET start = min(start, ?), finish = max(finish, ?), spans = spans + ?,"
            " errors = errors + ?, root = coalesce(?, root), dirty = 1 WHERE number = ?",
            (
                min(row[4] for row in rows),
                max(row[4] + row[5] for row in rows),
                len(rows),
                sum(row[6] == 2 for row in rows),
                roots[0] if roots else None,
                number,
            ),
        )

    def _recount(self, number: int) -> None:
        self._db.execute("UPDATE trace SET spans = 0, errors = 0 WHERE number = ?", (number,))
        self._count(number, self._db.execute("SELECT * FROM span WHERE trace = ?", (number,)).fetchall())

    def _post(self, number: int, spans: Sequence[Span], rows: Sequence[tuple[Any, ...]]) -> None:
        tokens = {row[3] for row in rows}
        for span in spans:
            tokens.update(token(key, value) for key, value in span.attributes.items())
        self._db.executemany("INSERT OR IGNORE INTO posting VALUES (?, ?)", [(one, number) for one in tokens])


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
    return _ENCODE(added) if added else None
