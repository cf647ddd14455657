"""The store: one SQLite file, bounded in bytes."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devbox.errors import DevboxError
from devbox.traces import evict, sums
from devbox.traces.analyse import Edge, Slow
from devbox.traces.database import Database, Full
from devbox.traces.model import Account, Operation, Process, Span, TraceSummary
from devbox.traces.query import Query
from devbox.traces.reading import all_spans, beside, number_of, outline, span_of, spans_of
from devbox.traces.search import search, summaries
from devbox.traces.selection import Selection, functions_among
from devbox.traces.share import Row
from devbox.traces.staging import Stage
from devbox.traces.writing import Writer

DEFAULT_BOUND = 512 << 20
"""Bytes on disk that a store may take."""
AT_ONCE = 20_000
"""Spans in one transaction; fewer where the bound is small."""
ONE_SPAN = 2_000
"""Bytes that a span of a transaction may dirty, generously."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a process's spool has been read. An offset of -1: the file is done with."""

    identity: str
    offsets: Mapping[str, int] = field(default_factory=dict)
    meta: str = ""
    seen: int = 0
    account: Account = field(default_factory=Account)


class Store:
    """Spans on disk. One writer and any number of readers at once, each with a Store of its own; a kill at
    any moment leaves it whole.
    """

    def __init__(self, path: Path, bound: int = DEFAULT_BOUND) -> None:
        self._database = Database(path, bound)
        self._db = self._database.db
        self._writer = Writer(self._db)
        self._version = 0
        self.stage = Stage(path.with_name(f"{path.name}.stage"), self._database.bound)
        """What is on disk and not yet in here: at most as much again."""

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """While reading positions are asked for and moved on: no other process does it meanwhile."""
        with open(f"{self._database.path}.lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def changed(self) -> bool:
        """Whether another process or connection wrote since this was last asked; the first time, whether one
        may have.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        last, self._version = self._version, version
        return bool(last != version)

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
        """Keep spans and, with the last of them, how far their spool has been read. Known spans stay as they
        are, so that what a kill interrupted can be given again. When the bound is reached older traces go.
        """
        size = min(AT_ONCE, self._database.bound // ONE_SPAN)
        parts = [spans[at : at + size] for at in range(0, len(spans), size)] or [spans]
        for number, part in enumerate(parts, 1):
            self._add_part(process, part, progress if number == len(parts) else None)

    def _add_part(self, process: Process, spans: Sequence[Span], progress: Progress | None) -> None:
        target = evict.ROOM
        while True:
            try:
                with self._database.writing():
                    self._insert(process, spans, progress)
                return
            except Full:
                self._writer.forget()
                self._make_room(target)
                target /= 2

    def _insert(self, process: Process, spans: Sequence[Span], progress: Progress | None) -> None:
        self._writer.insert(process, spans)
        if progress is not None:
            self._keep(process, progress)

    def _keep(self, process: Process, progress: Progress) -> None:
        said = {"offsets": dict(progress.offsets), "meta": progress.meta, "seen": progress.seen}
        account = progress.account
        self._db.execute(
            "UPDATE process SET progress = ?, stored = ?, overrun = ?, unwritable = ?, reentered = ?,"
            " torn = ? WHERE identity = ?",
            (
                json.dumps(said),
                account.stored,
                account.overrun,
                account.unwritable,
                account.reentered,
                account.torn,
                process.identity,
            ),
        )

    def settle(self) -> int:
        """Bring the sums up to date with what was added; gives how many traces had grown."""
        total = 0
        target = evict.ROOM
        while True:
            try:
                done = sums.settle(self._database)
            except Full:
                self._make_room(target)
                target /= 2
                continue
            total += done
            if not done:
                return total

    def _make_room(self, target: float) -> None:
        try:
            removed = evict.make_room(self._database, target)
        except Full:
            removed = 0
        if not removed and target < evict.STEP:
            raise DevboxError(
                "the store of traces cannot take more",
                where=str(self._database.path),
                why="the disk is full, or one trace alone is larger than the store may be",
                next_steps=["devbox trace ui --bound 1024"],
            )

    def hold_bound(self) -> int:
        """Make room before it is needed; gives how many traces went."""
        return evict.make_room(self._database)

    def forget(self, before: int) -> int:
        """Remove traces that ended before that moment (ns since the epoch); gives how many went."""
        return evict.forget(self._database, before)

    # -- reading

    def functions(self) -> list[Slow]:
        """All functions by the sum of their self times, over all settled traces."""
        return sums.functions(self._database)

    def functions_among(self, query: Query) -> Selection:
        """The same over the newest settled traces that fit."""
        return functions_among(self._database, query)

    def services(self) -> list[str]:
        """All services, in the order in which they were first met."""
        rows = self._db.execute("SELECT service FROM operation GROUP BY service ORDER BY min(id)")
        return [one for (one,) in rows]

    def edges(self) -> list[Edge]:
        """Who calls whom, over all settled traces."""
        return sums.edges(self._database)

    def peers(self, operation: Operation) -> dict[int, int]:
        """All self times of an operation, counted in buckets (`devbox.traces.buckets`)."""
        return sums.counts_of(self._database, operation)

    def traces(
        self, limit: int = 50, query: Query | None = None, order: str = "newest"
    ) -> list[TraceSummary]:
        """Traces that fit; `order` is newest or slowest (first)."""
        return search(self._database, query or Query(), limit, order)

    def outline(self, trace_id: str) -> tuple[list[Row], dict[int, Operation]]:
        """A trace's rows by start, and the operations that they name by number: quicker than its spans."""
        number = number_of(self._database, trace_id)
        rows = [] if number is None else outline(self._database, number)
        return rows, self._database.operations() if rows else {}

    def span(self, trace_id: str, span_id: str) -> tuple[Span, int] | None:
        """One span and its self time in ns."""
        number = number_of(self._database, trace_id)
        return None if number is None else span_of(self._database, number, span_id)

    def beside(self, span: Span) -> list[tuple[int, int]]:
        """From when to when other calls of its operation ran in its process while it did."""
        return beside(self._database, span)

    def summaries(self, trace_ids: Sequence[str]) -> list[TraceSummary]:
        """The rows of these traces, as far as they are here."""
        return summaries(self._database, trace_ids)

    def resource(self, identity: str) -> Mapping[str, Any]:
        """What a process said about itself."""
        row = self._db.execute("SELECT resource FROM process WHERE identity = ?", (identity,)).fetchone()
        found: Mapping[str, Any] = json.loads(row[0]) if row else {}
        return found

    def matching(self, prefix: str, limit: int = 3) -> list[str]:
        """Ids of traces that begin with `prefix` (hex)."""
        rows = self._db.execute(
            "SELECT lower(hex(id)) AS name FROM trace WHERE substr(name, 1, length(?1)) = ?1 LIMIT ?2",
            (prefix, limit),
        )
        return [one for (one,) in rows]

    def spans(self, trace_id: str = "") -> Iterator[Span]:
        """The spans of one trace by start, or of all."""
        if not trace_id:
            return all_spans(self._database)
        number = number_of(self._database, trace_id)
        return iter(()) if number is None else spans_of(self._database, number)
