"""The slowest functions among some traces: of the last minutes, of those that failed, of what a search finds.

Each settled trace keeps what it contributes to the sums over all traces. Adding that up for a few thousand
of them takes a moment, and needs no sums of its own for every question that one may have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devbox.traces.analyse import Slow
from devbox.traces.change import HISTOGRAM
from devbox.traces.database import Database
from devbox.traces.query import Query
from devbox.traces.search import numbers
from devbox.traces.share import functions_of
from devbox.traces.sums import slow_rows
from devbox.traces.tally import Tally

MOST_ADDED = 3_000
"""Traces, the newest that fit."""
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Selection:
    """`functions` by the sum of their self times, the guilty one first, in `traces` traces; `is_part`: more
    traces fit than were looked at.
    """

    functions: list[Slow]
    traces: int
    is_part: bool


def functions_among(database: Database, query: Query) -> Selection:
    """The functions of the traces that fit."""
    wanted = numbers(database, query, MOST_ADDED + 1)
    looked = wanted[:MOST_ADDED]
    return Selection(_functions(database, looked), len(looked), len(wanted) > len(looked))


def _functions(database: Database, traces: Sequence[int]) -> list[Slow]:
    found: dict[int, dict[int, list[int]]] = {}
    for number, operation, bucket, calls, errors, own in _entries(database, traces):
        buckets = found.setdefault(operation, {})
        one = buckets.get(bucket)
        if one is None:
            buckets[bucket] = [calls, errors, own, number]
            continue
        one[0] += calls
        one[1] += errors
        one[2] += own
        if number > one[3]:
            one[3] = number
    return slow_rows(database, [(operation, _histogram(buckets)) for operation, buckets in found.items()])


def _histogram(buckets: dict[int, list[int]]) -> Tally:
    return Tally.of([(bucket, *buckets[bucket]) for bucket in sorted(buckets)], HISTOGRAM)


def _entries(database: Database, wanted: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for at in range(0, len(wanted), AT_ONCE):
        listed = ",".join(str(int(number)) for number in wanted[at : at + AT_ONCE])
        rows = database.db.execute(
            f"SELECT number, share FROM trace WHERE number IN ({listed}) AND share IS NOT NULL"
        ).fetchall()
        for (number, _), functions in zip(rows, functions_of([share for _, share in rows]), strict=True):
            for one in functions:
                yield (number, *one)
