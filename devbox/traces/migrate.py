"""Stores of older versions, brought along: what was recorded is not lost with an upgrade."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from sqlite3 import Connection
from typing import Any

from devbox.traces.change import CALLS, HISTOGRAM, STEPS, TRAFFIC
from devbox.traces.schema import FUNCTION_AND_EDGE
from devbox.traces.tally import Tally


def from_version_2(db: Connection) -> None:
    """Sums had a row per bucket and step; they are packed now. The spans stay where they are."""
    histograms = _packed(
        db.execute("SELECT operation, bucket, calls, errors, self, example FROM bucket ORDER BY 1, 2"),
        1,
        HISTOGRAM,
    )
    trends = _packed(db.execute("SELECT operation, window, calls, self FROM trend ORDER BY 1, 2"), 1, STEPS)
    edges = _packed(db.execute("SELECT * FROM edge ORDER BY 1, 2, 3, 4"), 3, CALLS)
    traffic = _packed(
        db.execute("SELECT caller, callee, road, window, calls FROM traffic ORDER BY 1, 2, 3, 4"), 3, TRAFFIC
    )
    for table in ("bucket", "trend", "edge", "traffic"):
        db.execute(f"DROP TABLE {table}")
    for statement in FUNCTION_AND_EDGE.split(";"):
        db.execute(statement)
    db.executemany(
        "INSERT INTO function VALUES (?, ?, ?)",
        [(*key, histogram, trends.get(key, b"")) for key, histogram in histograms.items()],
    )
    db.executemany(
        "INSERT INTO edge VALUES (?, ?, ?, ?, ?)",
        [(*key, histogram, traffic.get(key, b"")) for key, histogram in edges.items()],
    )


def _packed(rows: Iterable[Sequence[Any]], names: int, width: int) -> dict[tuple[Any, ...], bytes]:
    """Rows that agree in their first `names` columns, each group as one tally."""
    return {
        key: Tally.of([row[names:] for row in group], width).packed()
        for key, group in groupby(rows, lambda row: tuple(row[:names]))
    }
