"""The store: one SQLite file, bounded in bytes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devbox.errors import DevboxError
from devbox.traces.model import STATUSES, Account, Operation, Process, Span, SpanEvent, TraceSummary
from devbox.traces.schema import SCHEMA, VERSION

DEFAULT_BOUND = 512 << 20
"""Bytes on disk that a store may take."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a process's spool has been read. An offset of -1: the file is done with."""

    identity: str
    offsets: Mapping[str, int] = field(default_factory=dict)
    meta: str = ""
    pending: Mapping[str, str] = field(default_factory=dict)
    seen: int = 0
    account: Account = field(default_factory=Account)


class Store:
    """Spans on disk. One writer and any number of readers at once; a kill at any moment leaves it whole."""

    def __init__(self, path: Path, bound: int = DEFAULT_BOUND) -> None:
        self._bound = bound
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise DevboxError(
                "cannot open the store of traces", where=str(path), why=str(error), next_steps=[f"rm {path}"]
            ) from error

    def _prepare(self) -> None:
        with self._writing():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return
            for (table,) in self._db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                self._db.execute(f"DROP TABLE {table}")
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    # -- reading positions

    def offsets(self) -> dict[str, int]:
        """The reading position of every spool file known."""
        found: dict[str, int] = {}
        for (text,) in self._db.execute("SELECT progress FROM process"):
            found.update(json.loads(text)["offsets"])
        return found

    def progress(self, identity: str) -> Progress | None:
        """How far that process has been read."""
        row = self._db.execute(
            "SELECT progress, stored, overrun, unwritable, reentered, torn FROM process WHERE identity = ?",
            (identity,),
        ).fetchone()
        return Progress(identity, **json.loads(row[0]), account=Account(*row[1:])) if row else None

    def accounts(self) -> dict[str, Account]:
        """Per service: created = stored + dropped by cause."""
        rows = self._db.execute(
            "SELECT service, sum(stored), sum(overrun), sum(unwritable), sum(reentered), sum(torn)"
            " FROM process GROUP BY service ORDER BY service"
        )
        return {service: Account(*counts) for service, *counts in rows}

    # -- writing

    def add(self, process: Process, spans: Sequence[Span], progress: Progress | None = None) -> None:
        """Keep spans and, in the same transaction, how far their spool has been read. Known spans stay
        as they are.
        """
        with self._writing():
            known: dict[Operation, int] = {}
            for span in spans:
                if span.operation not in known:
                    known[span.operation] = self._operation(span.operation)
            rows = [self._row(span, known) for span in spans]
            before = self._db.total_changes
            self._db.executemany("INSERT OR IGNORE INTO span VALUES (?,?,?,?,?,?,?,?,?)", rows)
            if self._db.total_changes - before == len(rows):
                self._count(rows)
            else:
                self._recount({row[0] for row in rows})
            if progress is not None:
                self._keep(process, progress)

    def _operation(self, operation: Operation) -> int:
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
        return int(found)

    def _row(self, span: Span, operations: Mapping[Operation, int]) -> tuple[Any, ...]:
        added: dict[str, Any] = {}
        if span.attributes:
            added["a"] = dict(span.attributes)
        if span.events:
            added["e"] = [[event.name, event.at, dict(event.attributes)] for event in span.events]
        if span.links:
            added["l"] = list(span.links)
        if span.message:
            added["m"] = span.message
        return (
            bytes.fromhex(span.trace_id),
            bytes.fromhex(span.span_id),
            bytes.fromhex(span.parent_id) or None,
            operations[span.operation],
            span.start,
            span.end,
            STATUSES.index(span.status),
            span.process,
            json.dumps(added, separators=(",", ":")) if added else None,
        )

    def _count(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Bring the traces' rows up to date with new spans."""
        sums: dict[bytes, list[Any]] = {}
        for trace, _, parent, operation, start, finish, status, *_ in rows:
            one = sums.setdefault(trace, [start, finish, 0, 0, None])
            one[0], one[1] = min(one[0], start), max(one[1], finish)
            one[2] += 1
            one[3] += status == 2
            if parent is None:
                one[4] = operation
        self._db.executemany(
            "INSERT INTO trace VALUES (?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
            " start = min(start, excluded.start), finish = max(finish, excluded.finish),"
            " spans = spans + excluded.spans, errors = errors + excluded.errors,"
            " root = coalesce(excluded.root, root)",
            [(trace, *values) for trace, values in sums.items()],
        )

    def _recount(self, traces: Iterable[bytes]) -> None:
        for trace in traces:
            self._db.execute("DELETE FROM trace WHERE id = ?", (trace,))
            self._count(self._db.execute("SELECT * FROM span WHERE trace = ?", (trace,)).fetchall())

    def _keep(self, process: Process, progress: Progress) -> None:
        text = json.dumps(
            {
                "offsets": dict(progress.offsets),
                "meta": progress.meta,
                "pending": dict(progress.pending),
                "seen": progress.seen,
            }
        )
        account = progress.account
        self._db.execute(
            "INSERT OR REPLACE INTO process VALUES (?,?,?,?,?,?,?,?,?)",
            (
                process.identity,
                process.service,
                json.dumps(dict(process.resource)),
                text,
                account.stored,
                account.overrun,
                account.unwritable,
                account.reentered,
                account.torn,
            ),
        )

    def hold_bound(self) -> int:
        """Remove the oldest traces until the store fits its bound; those with errors go last. Gives
        their number.
        """
        removed = 0
        while self._size() > self._bound:
            with self._writing():
                total = self._db.execute("SELECT count(*) FROM trace").fetchone()[0]
                old = self._db.execute(
                    "SELECT id FROM trace ORDER BY errors > 0, start LIMIT ?", (max(1, total // 10),)
                ).fetchall()
                self._db.executemany("DELETE FROM span WHERE trace = ?", old)
                self._db.executemany("DELETE FROM trace WHERE id = ?", old)
            removed += len(old)
            if not old:
                break
        return removed

    def _size(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # -- reading

    def traces(self, limit: int = 50, service: str = "", errors: bool = False) -> list[TraceSummary]:
        """The newest traces, newest first."""
        rows = self._db.execute(
            "SELECT t.id, t.start, t.finish, t.spans, t.errors, o.name, o.service,"
            " (SELECT group_concat(DISTINCT p.service) FROM span s JOIN operation p ON p.id = s.operation"
            "  WHERE s.trace = t.id) AS services"
            " FROM trace t LEFT JOIN operation o ON o.id = t.root"
            " WHERE (? = '' OR instr(',' || services || ',', ',' || ? || ',')) AND (NOT ? OR t.errors)"
            " ORDER BY t.start DESC LIMIT ?",
            (service, service, errors, limit),
        )
        return [
            TraceSummary(
                trace.hex(),
                name or "(root not seen)",
                of or "",
                sorted((services or "").split(",")),
                start,
                finish - start,
                spans,
                failed,
            )
            for trace, start, finish, spans, failed, name, of, services in rows
        ]

    def matching(self, prefix: str, limit: int = 3) -> list[str]:
        """Ids of traces that begin with `prefix` (hex)."""
        rows = self._db.execute(
            "SELECT lower(hex(id)) AS name FROM trace WHERE substr(name, 1, length(?1)) = ?1 LIMIT ?2",
            (prefix, limit),
        )
        return [one for (one,) in rows]

    def spans(self, trace_id: str = "") -> Iterator[Span]:
        """The spans of one trace, or of all, by start."""
        condition, values = ("WHERE s.trace = ?", (bytes.fromhex(trace_id),)) if trace_id else ("", ())
        rows = self._db.execute(
            "SELECT s.*, o.service, o.name, o.kind, o.function, o.file, o.line FROM span s"
            f" JOIN operation o ON o.id = s.operation {condition} ORDER BY s.start",
            values,
        )
        operations: dict[int, Operation] = {}
        for row in rows:
            if row[3] not in operations:
                operations[row[3]] = Operation(*row[9:])
            yield _span(row, operations[row[3]])


def _span(row: Sequence[Any], operation: Operation) -> Span:
    trace, span, parent, _, start, finish, status, process, text, *_ = row
    added = json.loads(text) if text else {}
    return Span(
        trace.hex(),
        span.hex(),
        parent.hex() if parent else "",
        operation,
        start,
        finish,
        STATUSES[status],
        added.get("m", ""),
        added.get("a", {}),
        [SpanEvent(*event) for event in added.get("e", ())],
        [tuple(link) for link in added.get("l", ())],
        process,
    )
