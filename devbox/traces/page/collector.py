"""The thread behind the page: brings in what processes recorded, keeps the sums, and tells the pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from devbox.errors import DevboxError
from devbox.ports.traces import SpoolSource
from devbox.traces.ingest import collect_some
from devbox.traces.otlp.intake import Onward
from devbox.traces.page.documents import summary
from devbox.traces.store import Store
from devbox.web.live import Channel

RETRY = 3.0
AGES_EVERY = 60.0
MOST_TOLD = 100
"""Traces in one message: a page shows no more at once."""

Opener = Callable[[], AbstractContextManager[SpoolSource]]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds: `pause` between looks at the spools, `retention` for which traces are kept."""

    pause: float
    retention: float


class Collector(threading.Thread):
    """Collects until `stop`. A source that breaks is opened anew, and the pages are told meanwhile."""

    def __init__(self, opener: Opener, store: Callable[[], Store], channel: Channel, rhythm: Rhythm) -> None:
        super().__init__(daemon=True, name="collector")
        self._opener = opener
        self._open_store = store
        self._channel = channel
        self._pause, self._retention = rhythm.pause, rhythm.retention
        self._ended = threading.Event()
        self._trouble = ""
        self.onward: Onward = lambda spans: None
        """Who else wants the spans that are brought in."""

    def stop(self) -> None:
        """End the thread, and wait for what it has begun."""
        self._ended.set()
        self.join(timeout=30)

    def run(self) -> None:
        """Until stopped: open the source, and look at it again and again."""
        store = self._open_store()
        try:
            while not self._ended.is_set():
                try:
                    with self._opener() as source:
                        self._collect(source, store)
                except DevboxError as error:
                    self._say(str(error))
                    self._ended.wait(RETRY)
        finally:
            store.close()

    def _collect(self, source: SpoolSource, store: Store) -> None:
        aged = 0.0
        while not self._ended.is_set():
            found = collect_some(source, store, self.onward)
            self._say("")
            grown = found.traces
            if store.changed():  # by our intake, or by another command that collects for this store
                grown |= {one.trace_id for one in store.traces(MOST_TOLD // 4)}
            if grown:
                store.settle()
                self._tell(store, grown)
            if time.monotonic() - aged > AGES_EVERY:
                aged = time.monotonic()
                store.forget(int((time.time() - self._retention) * 1e9))
            if not found.more:
                self._ended.wait(self._pause)

    def _tell(self, store: Store, traces: set[str]) -> None:
        grown = store.summaries(list(traces)[:MOST_TOLD])
        rows: list[dict[str, Any]] = [summary(one) for one in sorted(grown, key=lambda one: one.start)]
        self._channel.publish({"traces": rows})

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._channel.publish({"trouble": trouble})
