"""The sums over all traces, kept as traces come, grow and go: asking is quick however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from devbox.traces.analyse import Edge, Slow
from devbox.traces.buckets import percentile_of, percentiles
from devbox.traces.database import Database
from devbox.traces.model import Operation
from devbox.traces.share import WINDOW, Share, share_of

PER_ROUND = 50_000
"""Spans that are settled in one transaction, about: writers of other processes wait no longer than that."""
TREND = 40
"""Steps of a trend."""
RATE = 4
"""Steps over which a rate is taken: the last minute with traffic."""


class Sum(NamedTuple):
    """Calls of one operation whose self times fall into one bucket; `example` is a trace's number."""

    operation: int
    bucket: int
    calls: int
    errors: int
    own: int
    example: int


class _Change:
    """Shares to add and to take back, gathered so that every sum is touched once."""

    def __init__(self) -> None:
        self._functions: dict[tuple[int, int], list[int]] = {}
        self._edges: dict[tuple[str, str, str, int], list[int]] = {}
        self._trend: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        self._traffic: dict[tuple[int, str, str, str], int] = defaultdict(int)

    def add(self, share: Share, sign: int, example: int) -> None:
        """`example` is the trace's number."""
        functions, window = self._functions, share.window
        for key, (calls, errors, own) in share.functions.items():
            one = functions.get(key)
            if one is None:
                one = functions[key] = [0, 0, 0, 0]
            one[0] += sign * calls
            one[1] += sign * errors
            one[2] += sign * own
            if one[3] < example:
                one[3] = example
            step = self._trend[window, key[0]]
            step[0] += sign * calls
            step[1] += sign * own
        for edge, (calls, errors) in share.edges.items():
            sums = self._edges.setdefault(edge, [0, 0])
            sums[0] += sign * calls
            sums[1] += sign * errors
            self._traffic[window, edge[0], edge[1], edge[2]] += sign * calls

    def write(self, database: Database) -> None:
        db = database.db
        db.executemany(
            "INSERT INTO bucket VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
            " calls = calls + excluded.calls, errors = errors + excluded.errors, self = self + excluded.self,"
            " example = max(example, excluded.example)",
            [(*key, *values) for key, values in self._functions.items()],
        )
        db.executemany(
            "INSERT INTO edge VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,"
            " errors = errors + excluded.errors",
            [(*key, *values) for key, values in self._edges.items()],
        )
        db.executemany(
            "INSERT INTO trend VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,"
            " self = self + excluded.self",
            [(*key, *values) for key, values in self._trend.items()],
        )
        db.executemany(
            "INSERT INTO traffic VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls",
            [(*key, calls) for key, calls in self._traffic.items()],
        )


def settle(database: Database) -> int:
    """Bring the sums up to date with traces that grew; gives how many there were (at most a round's)."""
    operations = database.operations()
    change = _Change()
    with database.writing():
        dirty = database.db.execute("SELECT number, spans, share FROM trace WHERE dirty").fetchall()
        done = spans = 0
        for number, count, old in dirty:
            if spans and spans + count > PER_ROUND:
                break
            spans += count
            done += 1
            _settle_one(database, operations, change, number, old)
        change.write(database)
        _forget_old_steps(database)
    return done


def _settle_one(
    database: Database, operations: Mapping[int, Operation], change: _Change, number: int, old: str | None
) -> None:
    rows = database.db.execute(
        "SELECT id, parent, operation, start, took, status, added FROM span WHERE trace = ?", (number,)
    ).fetchall()
    share = share_of(rows, operations)
    services = sorted({operations[operation].service for operation in {row[2] for row in rows}})
    if old:
        change.add(Share.unpacked(old), -1, number)
    change.add(share, 1, number)
    database.db.execute(
        "UPDATE trace SET share = ?, services = ?, dirty = 0 WHERE number = ?",
        (share.packed(), "\n".join(services), number),
    )


def take_back(database: Database, gone: Iterable[tuple[int, str | None]]) -> None:
    """Take the shares of traces that leave out of the sums; within a transaction of the caller's."""
    change = _Change()
    for number, share in gone:
        change.add(Share.unpacked(share), -1, number)
    change.write(database)
    for table in ("bucket", "edge", "trend", "traffic"):
        database.db.execute(f"DELETE FROM {table} WHERE calls <= 0")


def _forget_old_steps(database: Database) -> None:
    for table in ("trend", "traffic"):
        (last,) = database.db.execute(f"SELECT max(window) FROM {table}").fetchone()
        if last is not None:
            database.db.execute(f"DELETE FROM {table} WHERE window < ?", (last - 6 * TREND,))


def functions(database: Database) -> list[Slow]:
    """All functions by the sum of their self times, the guilty one first."""
    rows = database.db.execute("SELECT * FROM bucket WHERE calls > 0 ORDER BY operation, bucket")
    return slow_rows(database, [Sum(*row) for row in rows])


def slow_rows(database: Database, listed: Sequence[Sum]) -> list[Slow]:
    """Functions from sums in the order of operation and bucket; the guilty one first."""
    operations = database.operations()
    trends = _trends(database)
    rows, examples = [], []
    for number, found in groupby(listed, itemgetter(0)):
        _, buckets, calls, errors, selfs, newest = zip(*found, strict=True)
        p50, p95, p99 = percentiles(buckets, calls, (50, 95, 99))
        trend = trends.get(number, ())
        rows.append(Slow(operations[number], sum(calls), sum(errors), sum(selfs), p50, p95, p99, "", trend))
        examples.append(newest[-1])  # of the highest bucket: the slowest call's
    names = _trace_ids(database, examples)
    named = [replace(row, slowest=names.get(one, "")) for row, one in zip(rows, examples, strict=True)]
    return sorted(named, key=lambda row: (-row.total, row.operation.service, row.operation.name))


def _trends(database: Database) -> dict[int, tuple[int, ...]]:
    """Per operation the mean self time per call in the last steps, oldest first; 0 where it did not run."""
    (last,) = database.db.execute("SELECT max(window) FROM trend WHERE calls > 0").fetchone()
    if last is None:
        return {}
    first = last - TREND + 1
    found: dict[int, list[int]] = defaultdict(lambda: [0] * TREND)
    for window, operation, calls, own in database.db.execute(
        "SELECT * FROM trend WHERE window >= ? AND calls > 0", (first,)
    ):
        found[operation][window - first] = own // calls
    return {operation: tuple(steps) for operation, steps in found.items()}


def _trace_ids(database: Database, numbers: Iterable[int]) -> dict[int, str]:
    listed = ",".join(str(int(number)) for number in numbers)
    rows = database.db.execute(f"SELECT number, id FROM trace WHERE number IN ({listed})")
    return {number: name.hex() for number, name in rows}


def edges(database: Database) -> list[Edge]:
    """Who calls whom, by road, the busiest first."""
    counts: dict[tuple[str, str, str], dict[int, int]] = defaultdict(dict)
    errors: dict[tuple[str, str, str], int] = defaultdict(int)
    for caller, callee, road, at, calls, failed in database.db.execute("SELECT * FROM edge WHERE calls > 0"):
        counts[caller, callee, road][at] = calls
        errors[caller, callee, road] += failed
    rates = _rates(database)
    rows = [
        Edge(
            *key,
            sum(found.values()),
            errors[key],
            percentile_of(found, 50),
            percentile_of(found, 95),
            rates.get(key, 0.0),
        )
        for key, found in counts.items()
    ]
    return sorted(rows, key=lambda edge: (-edge.count, edge.caller, edge.callee, edge.road))


def _rates(database: Database) -> dict[tuple[str, str, str], float]:
    """Calls per second over the last minute that had any."""
    (last,) = database.db.execute("SELECT max(window) FROM traffic WHERE calls > 0").fetchone()
    if last is None:
        return {}
    rows = database.db.execute(
        "SELECT caller, callee, road, sum(calls) FROM traffic WHERE window > ? GROUP BY 1, 2, 3",
        (last - RATE,),
    )
    return {(caller, callee, road): calls / (RATE * WINDOW / 1e9) for caller, callee, road, calls in rows}


def counts_of(database: Database, operation: Operation) -> dict[int, int]:
    """All self times of one operation, counted in buckets: among them a span has its percentile."""
    rows = database.db.execute(
        "SELECT b.bucket, b.calls FROM bucket b JOIN operation o ON o.id = b.operation WHERE o.service = ?"
        " AND o.name = ? AND o.kind = ? AND o.function = ? AND o.file = ? AND o.line = ? AND b.calls > 0",
        (
            operation.service,
            operation.name,
            operation.kind,
            operation.function,
            operation.file,
            operation.line,
        ),
    )
    return dict(rows.fetchall())
