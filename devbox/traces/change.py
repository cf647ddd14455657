"""What traces add to the sums, and what is taken back of them, gathered so that every sum is touched once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection

from devbox.traces.share import Share
from devbox.traces.tally import Tally

Road = tuple[str, str, str]
"""Caller, callee and road."""
Counts = dict[int, list[int]]

HISTOGRAM = 4
"""Columns of an operation's histogram: calls, errors, self time in ns, the newest trace (its number)."""
STEPS = 2
"""Columns of an operation's trend: calls, self time in ns."""
CALLS = 2
"""Columns of an edge's histogram: calls, errors."""
TRAFFIC = 1
"""Columns of an edge's traffic by step: calls."""
KEPT = 240
"""Steps that are kept of each: an hour with calls."""


class Change:
    """Shares to add and to take back."""

    def __init__(self) -> None:
        self._functions: dict[int, tuple[Counts, Counts]] = {}
        self._edges: dict[Road, tuple[Counts, Counts]] = {}

    def add(self, share: Share, sign: int, example: int) -> None:
        """`sign` is 1 or -1, `example` the trace's number."""
        window = share.window
        for operation, at, calls, errors, own in share.functions.values():
            found = self._functions.get(operation)
            if found is None:
                found = self._functions[operation] = {}, {}
            buckets, steps = found
            one = buckets.get(at)
            if one is None:
                one = buckets[at] = [0, 0, 0, 0]
            one[0] += sign * calls
            one[1] += sign * errors
            one[2] += sign * own
            if sign > 0 and one[3] < example:
                one[3] = example
            step = steps.get(window)
            if step is None:
                step = steps[window] = [0, 0]
            step[0] += sign * calls
            step[1] += sign * own
        for (caller, callee, road, at), (calls, errors) in share.edges.items():
            buckets, steps = self._edges.setdefault((caller, callee, road), ({}, {}))
            one = buckets.setdefault(at, [0, 0])
            one[0] += sign * calls
            one[1] += sign * errors
            steps.setdefault(window, [0])[0] += sign * calls

    def write(self, db: Connection) -> None:
        """Within a transaction of the caller's."""
        for operation, (buckets, steps) in self._functions.items():
            stored = db.execute("SELECT histogram, trend FROM function WHERE operation = ?", (operation,))
            histogram, trend = stored.fetchone() or (b"", b"")
            row = _histogram(histogram, buckets), _added(Tally(STEPS, trend), steps).packed(KEPT)
            db.execute("INSERT OR REPLACE INTO function VALUES (?, ?, ?)", (operation, *row))
        for road, (buckets, steps) in self._edges.items():
            stored = db.execute(
                "SELECT histogram, traffic FROM edge WHERE caller = ? AND callee = ? AND road = ?", road
            )
            histogram, traffic = stored.fetchone() or (b"", b"")
            row = (
                _added(Tally(CALLS, histogram), buckets).packed(),
                _added(Tally(TRAFFIC, traffic), steps).packed(KEPT),
            )
            db.execute("INSERT OR REPLACE INTO edge VALUES (?, ?, ?, ?, ?)", (*road, *row))


def _histogram(stored: bytes, buckets: Counts) -> bytes:
    histogram = Tally(HISTOGRAM, stored)
    newest = histogram.columns[-1]
    for bucket, (calls, errors, own, example) in buckets.items():
        at = histogram.add(bucket, (calls, errors, own, 0))
        newest[at] = max(newest[at], example)
    return histogram.packed()


def _added(tally: Tally, changes: Mapping[int, Sequence[int]]) -> Tally:
    for key, values in changes.items():
        tally.add(key, values)
    return tally
