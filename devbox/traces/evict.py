"""What has to go when the store is full or old, and what stays longest: every service keeps its fair share,
and within it traces with errors and the slowest outlive the ordinary ones.
"""

from __future__ import annotations

import json

from devbox.traces.database import Database
from devbox.traces.sums import take_back

ROOM = 0.9
"""Part of the bound that may be in use after making room."""
SLOWEST = 20
"""One in so many of a service's traces is kept for being slow."""
STEP = 0.05
"""Part of all spans that goes in one transaction."""


def make_room(database: Database, target: float = ROOM) -> int:
    """Remove traces until at most `target` of the room for pages is in use; gives how many went."""
    removed = 0
    while database.used() > database.room * target:
        with database.removing():
            found = _victims(database)
            _remove(database, found)
        if not found:
            break
        removed += len(found)
    return removed


def forget(database: Database, before: int) -> int:
    """Remove traces that ended before that moment (ns since the epoch); gives how many went."""
    removed = 0
    while True:
        with database.removing():
            found = database.db.execute(
                "SELECT number, share FROM trace WHERE start < ? AND finish < ? ORDER BY start LIMIT 1000",
                (before, before),
            ).fetchall()
            _remove(database, found)
        removed += len(found)
        if len(found) < 1000:
            break
    if removed:
        with database.removing():
            _forget_processes(database)
    return removed


def _forget_processes(database: Database) -> None:
    """Those that ended, whose spools are read and gone, and of which no span is left."""
    rows = database.db.execute(
        "SELECT number, progress FROM process WHERE number NOT IN (SELECT DISTINCT process FROM span)"
    )
    over = [(number,) for number, text in rows if all(at < 0 for at in json.loads(text)["offsets"].values())]
    database.db.executemany("DELETE FROM process WHERE number = ?", over)


def _victims(database: Database) -> list[tuple[int, str | None]]:
    """The ordinary, oldest traces of the service that has the most spans; its special ones when it has no
    others.
    """
    shares = database.db.execute(
        "SELECT o.service, sum(t.spans), count(*) FROM trace t LEFT JOIN operation o ON o.id = t.root"
        " GROUP BY 1 ORDER BY 2 DESC"
    ).fetchall()
    if not shares:
        return []
    service, _, traces = shares[0]
    wanted = max(1, int(sum(spans for _, spans, _ in shares) * STEP))
    (slow,) = database.db.execute(
        "SELECT t.finish - t.start AS took FROM trace t LEFT JOIN operation o ON o.id = t.root"
        " WHERE o.service IS ? ORDER BY took DESC LIMIT 1 OFFSET ?",
        (service, traces // SLOWEST),
    ).fetchone()
    rows = database.db.execute(
        "SELECT t.number, t.share, t.spans FROM trace t LEFT JOIN operation o ON o.id = t.root"
        " WHERE o.service IS ? ORDER BY t.errors > 0 OR t.finish - t.start > ?, t.start",
        (service, slow),
    )
    found: list[tuple[int, str | None]] = []
    for number, share, spans in rows:
        found.append((number, share))
        wanted -= spans
        if wanted <= 0:
            break
    return found


def _remove(database: Database, gone: list[tuple[int, str | None]]) -> None:
    if not gone:
        return
    numbers = [(number,) for number, _ in gone]
    database.db.executemany("DELETE FROM span WHERE trace = ?", numbers)
    database.db.executemany("DELETE FROM trace WHERE number = ?", numbers)
    database.db.execute("DELETE FROM posting WHERE trace NOT IN (SELECT number FROM trace)")
    take_back(database, gone)  # last: where no page is free, sums cannot be written before
