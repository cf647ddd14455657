"""The sums over all traces, kept as traces come, grow and go: asking is quick however many there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from devbox.traces.analyse import Edge, Slow
from devbox.traces.buckets import percentiles
from devbox.traces.change import CALLS, HISTOGRAM, STEPS, TRAFFIC, Change, Road
from devbox.traces.database import Database
from devbox.traces.model import Operation
from devbox.traces.share import WINDOW, Share, share_of
from devbox.traces.tally import Tally

PER_ROUND = 50_000
"""Spans that are settled in one transaction, about: writers of other processes wait no longer than that."""
TREND = 40
"""Steps of a trend."""
RATE = 4
"""Steps over which a rate is taken: the last minute with traffic."""

_SPANS = "SELECT id, parent, operation, start, took, status, added FROM span WHERE trace = ?"


def settle(database: Database) -> int:
    """Bring the sums up to date with traces that grew; gives how many there were (at most a round's)."""
    operations = database.operations()
    change = Change()
    with database.writing():
        dirty = database.db.execute("SELECT number, spans, share FROM trace WHERE dirty").fetchall()
        spans = 0
        settled: list[tuple[str, str, int]] = []
        for number, count, old in dirty:
            if spans and spans + count > PER_ROUND:
                break
            spans += count
            rows = database.db.execute(_SPANS, (number,)).fetchall()
            share = share_of(rows, operations)
            if old:
                change.add(Share.unpacked(old), -1, number)
            change.add(share, 1, number)
            services = {operations[operation].service for operation in {row[2] for row in rows}}
            settled.append((share.packed(), "\n".join(sorted(services)), number))
        database.db.executemany(
            "UPDATE trace SET share = ?, services = ?, dirty = 0 WHERE number = ?", settled
        )
        change.write(database.db)
    return len(settled)


def take_back(database: Database, gone: Iterable[tuple[int, str | None]]) -> None:
    """Take the shares of traces that leave out of the sums; within a transaction of the caller's."""
    change = Change()
    for number, share in gone:
        change.add(Share.unpacked(share), -1, number)
    change.write(database.db)
    _forget_empty(database)


def _forget_empty(database: Database) -> None:
    for table in ("function", "edge"):
        database.db.execute(f"DELETE FROM {table} WHERE length(histogram) = 0")


def functions(database: Database) -> list[Slow]:
    """All functions by the sum of their self times, the guilty one first."""
    rows = database.db.execute("SELECT operation, histogram FROM function")
    return slow_rows(database, [(operation, Tally(HISTOGRAM, packed)) for operation, packed in rows])


def slow_rows(database: Database, histograms: Iterable[tuple[int, Tally]]) -> list[Slow]:
    """Functions from the histograms of operations; the guilty one first."""
    operations = database.operations()
    trends = _trends(database)
    found = [(number, one) for number, one in histograms if one.keys]
    # The newest trace of the highest bucket has the slowest call.
    names = _trace_ids(database, [one.columns[3][-1] for _, one in found])
    rows = []
    for number, histogram in found:
        calls, errors, own, newest = histogram.columns
        p50, p95, p99 = percentiles(histogram.keys, calls, (50, 95, 99))
        slowest, trend = names.get(newest[-1], ""), trends.get(number, ())
        rows.append(
            Slow(operations[number], sum(calls), sum(errors), sum(own), p50, p95, p99, slowest, trend)
        )
    return sorted(rows, key=lambda row: (-row.total, row.operation.service, row.operation.name))


def _trends(database: Database) -> dict[int, tuple[int, ...]]:
    """Per operation the mean self time per call in the last steps, oldest first; 0 where it did not run."""
    rows = database.db.execute("SELECT operation, trend FROM function")
    trends = [(operation, Tally(STEPS, packed)) for operation, packed in rows if packed]
    first = max((trend.keys[-1] for _, trend in trends), default=0) - TREND + 1
    return {operation: _steps(trend, first) for operation, trend in trends}


def _steps(trend: Tally, first: int) -> tuple[int, ...]:
    steps = [0] * TREND
    begin = bisect_left(trend.keys, first)
    calls, own = trend.columns
    for key, count, time in zip(trend.keys[begin:], calls[begin:], own[begin:], strict=True):
        steps[key - first] = time // count
    return tuple(steps)


def _trace_ids(database: Database, numbers: Iterable[int]) -> dict[int, str]:
    listed = ",".join(str(int(number)) for number in numbers)
    rows = database.db.execute(f"SELECT number, id FROM trace WHERE number IN ({listed})")
    return {number: name.hex() for number, name in rows}


def edges(database: Database) -> list[Edge]:
    """Who calls whom, by road, the busiest first."""
    found: list[tuple[Road, Tally, Tally]] = [
        ((caller, callee, road), Tally(CALLS, histogram), Tally(TRAFFIC, traffic))
        for caller, callee, road, histogram, traffic in database.db.execute("SELECT * FROM edge")
    ]
    last = max((traffic.keys[-1] for _, _, traffic in found if traffic.keys), default=0)
    rows = []
    for road, histogram, traffic in found:
        if histogram.keys:
            calls, errors = histogram.columns
            p50, p95 = percentiles(histogram.keys, calls, (50, 95))
            rows.append(Edge(*road, sum(calls), sum(errors), p50, p95, _rate(traffic, last)))
    return sorted(rows, key=lambda edge: (-edge.count, edge.caller, edge.callee, edge.road))


def _rate(traffic: Tally, last: int) -> float:
    """Calls per second over the last minute in which anybody called."""
    begin = bisect_left(traffic.keys, last - RATE + 1)
    return sum(traffic.columns[0][begin:]) / (RATE * WINDOW / 1e9)


def counts_of(database: Database, operation: Operation) -> dict[int, int]:
    """All self times of one operation, counted in buckets: among them a span has its percentile."""
    row = database.db.execute(
        "SELECT f.histogram FROM function f JOIN operation o ON o.id = f.operation WHERE o.service = ?"
        " AND o.name = ? AND o.kind = ? AND o.function = ? AND o.file = ? AND o.line = ?",
        (
            operation.service,
            operation.name,
            operation.kind,
            operation.function,
            operation.file,
            operation.line,
        ),
    ).fetchone()
    if row is None:
        return {}
    histogram = Tally(HISTOGRAM, row[0])
    return dict(zip(histogram.keys, histogram.columns[0], strict=True))
