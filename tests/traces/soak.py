"""The page's collector under a flood, with a small store, killed again and again: does the bound hold, do the
sums stay right, and do the right traces stay?
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devbox.traces.model import Span
from devbox.traces.staging import LEAST_BOUND
from devbox.traces.store import Store
from tests.traces.reading import ROOT, started
from tests.traces.reference import service_map, slowest

LOUD = """
    import select, sys, time
    number = ended = 0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        for _ in range(100):
            number += 1
            failed, slow = number % 500 == 7, number % 700 == 3
            now = time.time_ns()
            ended += 1 if failed or slow else 10
            if failed or slow:
                took = 10**10 if slow else 10**6
                tracer.record("rare", now - took, now, error="no luck" if failed else "")
            else:
                with tracer.span("GET /orders", {"user.id": number % 50}):
                    for _ in range(9):
                        with tracer.span("step"): pass
    print(ended, flush=True)
"""
"""Ten spans to a trace; some traces failed, and some are slow (a root alone, as somebody else saw it)."""
QUIET = """
    import select, sys
    ended = 0
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        with tracer.span("GET /quiet"): ended += 1
    print(ended, flush=True)
"""


@dataclass
class Found:
    """What was seen, and what was wrong."""

    bound: int
    kills: int = 0
    looks: int = 0
    store: int = 0
    waiting: int = 0
    ended: int = 0
    stored: int = 0
    dropped: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """For JSON: sizes are the largest, in bytes; spans are counted by the recorder, `left` at the end."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Soak:
    """Two programs that record, and one collector after the other."""

    def __init__(self, folder: Path, mebibytes: int, seed: int, say: Callable[[Found], None]) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._say = say
        self.found = Found(mebibytes << 20)
        self._kept: set[str] = set()
        """Traces of the loud service that failed or are slow."""

    def run(self, seconds: float, pause: float = 0.0, least: int = 0) -> Found:
        """So long, and until at least so many spans were stored. `pause`: seconds that the loud one rests
        after a thousand spans.
        """
        spool = self._folder / "spool"
        loud = LOUD.replace("PAUSE", str(pause))
        end = time.monotonic() + seconds
        bound = str(16 << 20)
        with (
            started(loud, spool, DEVBOX_TRACE_SERVICE="loud", DEVBOX_TRACE_SPOOL_BYTES=bound) as flood,
            started(QUIET, spool, DEVBOX_TRACE_SERVICE="quiet") as quiet,
        ):
            while time.monotonic() < end or self.found.stored < least:
                with self._collecting(spool):
                    # Longer each time: on a busy machine a short life brings nothing to its end.
                    self._watch(self._rng.uniform(0.2, 1) * min(10, 2 + 2 * self.found.kills))
                self.found.kills += 1
                self._look()
            for program in (flood, quiet):
                out, err = program.communicate("", timeout=60)
                assert err == ""
                self.found.ended += int(out)
        with self._collecting(spool):
            while any(spool.iterdir()):
                self._watch(0.2)
        self._look()
        if self.found.ended != self.found.stored + self.found.dropped:
            self._say_wrong(f"{self.found.ended} spans ended, and not so many are stored or counted")
        return self.found

    @contextmanager
    def _collecting(self, spool: Path) -> Iterator[None]:
        """The real command, killed at the end of the block."""
        options = ["--spool", str(spool), "--bound", str(self.found.bound >> 20), "--port", "0"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self._folder / "state")}
        with subprocess.Popen(
            [sys.executable, "-m", "devbox", "trace", "ui", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
        ) as command:
            assert command.stdout is not None
            first = command.stdout.readline()
            assert "http://127.0.0.1" in first, first + command.stdout.read()
            try:
                yield
                assert command.poll() is None, "it ended by itself"
            finally:
                command.kill()

    def _database(self) -> Path:
        return next((self._folder / "state").rglob("traces.db"))

    def _watch(self, seconds: float) -> None:
        """Look at the disk all the time."""
        database = self._database()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            store = sum(_bytes(database.with_name(database.name + part)) for part in ("", "-wal", "-shm"))
            waiting = sum(map(_bytes, database.with_name("traces.db.stage").glob("*")))
            self.found.store = max(self.found.store, store)
            self.found.waiting = max(self.found.waiting, waiting)
            if store > self.found.bound:
                self._say_wrong(f"the store has {store} bytes on disk")
            if waiting > max(self.found.bound, LEAST_BOUND):
                self._say_wrong(f"{waiting} bytes wait")
            time.sleep(0.02)

    def _look(self) -> None:
        """What a kill left: is it whole, and the right part of everything?"""
        store = Store(self._database(), self.found.bound)
        try:
            store.settle()
            spans = list(store.spans())
            self._sums(store, spans)
            self._accounts(store, spans)
        finally:
            store.close()
        there = {one.trace_id for one in spans if one.operation.name == "rare"}
        if gone := self._kept - there:
            self._say_wrong(f"{len(gone)} traces that failed or are slow went before ordinary ones")
        self._kept = there
        self.found.left = len(spans)
        self.found.looks += 1
        self._say(self.found)

    def _sums(self, store: Store, spans: list[Span]) -> None:
        rows = {row.operation: (row.count, row.errors, row.total) for row in store.functions()}
        if rows != {row.operation: (row.count, row.errors, row.total) for row in slowest(spans)}:
            self._say_wrong("the sums of functions are not those of the spans")
        edges = [(one.caller, one.callee, one.count) for one in store.edges()]
        if edges != [(one.caller, one.callee, one.count) for one in service_map(spans)]:
            self._say_wrong("the map is not that of the spans")

    def _accounts(self, store: Store, spans: list[Span]) -> None:
        accounts = store.accounts()
        self.found.stored = sum(one.stored for one in accounts.values())
        self.found.dropped = sum(one.dropped for one in accounts.values())
        quiet = accounts.get("quiet")
        there = sum(one.operation.service == "quiet" for one in spans)
        if quiet is not None and (quiet.dropped, quiet.stored) != (0, there):
            self._say_wrong(f"of the quiet service's {quiet.created} spans {there} are there")

    def _say_wrong(self, text: str) -> None:
        self.found.wrong.append(f"{text}, after {self.found.kills} kills")


def _bytes(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_blocks * 512
    return 0
