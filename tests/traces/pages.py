"""A served page over a store of its own, for tests that look at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from devbox.adapters.spools import LocalSpools
from devbox.traces.model import Operation, Process, Span, SpanEvent
from devbox.traces.page.collector import Collector, Rhythm
from devbox.traces.page.site import About, TracePage
from devbox.traces.page.sources import Sources
from devbox.traces.store import Store
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.server import serving

FOREVER = 1e9
START = 1_790_000_000_000_000_000
MS = 1_000_000
TRACE = "ab" * 16
MOST_PROCESSES = 100
"""With more services than that, one process is all of them: each one costs a transaction."""


@dataclass(frozen=True, slots=True)
class Served:
    """`url` ends in a slash."""

    url: str
    store: Store
    spool: Path
    channel: Channel


@contextmanager
def served(
    folder: Path, spans: Sequence[Span] = (), mappings: Sequence[tuple[str, Path]] = ()
) -> Iterator[Served]:
    """The page with these spans in its store, and a collector on the folder `spool`."""
    store, channel, spool = Store(folder / "traces.db"), Channel(), folder / "spool"
    by_process: dict[str, list[Span]] = {}
    few = len({span.operation.service for span in spans}) <= MOST_PROCESSES
    for span in spans:
        by_process.setdefault(span.operation.service if few else "all", []).append(span)
    for service, found in by_process.items():
        store.add(Process(f"process-of-{service}", service, {"service": service, "pid": 7}), found)
    store.settle()
    page = TracePage(store, Sources(mappings), About("the tests", "project"))
    collector = Collector(
        lambda: nullcontext(LocalSpools(spool)),
        lambda: Store(folder / "traces.db"),
        channel,
        Rhythm(0.05, FOREVER),
    )
    try:
        with serving(page.site(Guard.of("127.0.0.1"), channel), 0) as url:
            collector.start()
            yield Served(url, store, spool, channel)
    finally:
        collector.stop()
        store.close()


def at(name: str, start: float, took: float, parent: str = "", **more: object) -> Span:
    """A span, in ms from the trace's start; `name` is "service operation", ids are made of `more["id"]`."""
    service, _, operation = name.partition(" ")
    about = Operation(
        service, operation, str(more.get("kind", "internal")), f"app.{operation}", f"/app/{service}.py", 3
    )
    return Span(
        str(more.get("trace", TRACE)),
        str(more.get("id", "")).rjust(16, "0"),
        parent.rjust(16, "0") if parent else "",
        about,
        START + int(start * MS),
        START + int((start + took) * MS),
        str(more.get("status", "unset")),
        str(more.get("message", "")),
        more.get("attributes", {}),  # type: ignore[arg-type]
        more.get("events", ()),  # type: ignore[arg-type]
        process=f"process-of-{service}",
    )


def order() -> list[Span]:
    """One order: a request, six queries in a loop, a payment that fails, a message that waits in a queue."""
    boom = SpanEvent(
        "exception",
        START + 75 * MS,
        {
            "exception.type": "CardError",
            "exception.message": "declined",
            "exception.stacktrace": "Traceback …",
        },
    )
    queries = [
        at(
            "order SELECT items",
            5 + 6 * n,
            5,
            "2",
            id=f"a{n}",
            kind="client",
            attributes={"db.system.name": "sqlite"},
        )
        for n in range(6)
    ]
    return [
        at("gateway POST /orders", 0, 100, id="1", kind="server", attributes={"user.id": 12}),
        at("order Orders.place", 2, 90, "1", id="2", kind="server", attributes={"road": "rest"}),
        *queries,
        at("order charge", 50, 30, "2", id="3", kind="client"),
        at("payment Payments.charge", 52, 26, "3", id="4", kind="server", status="error",
           message="CardError: declined", events=(boom,), attributes={"road": "rpc"}),
        at("order publish", 85, 1, "2", id="5", kind="producer"),
        at("notify Notifications.send", 160, 8, "5", id="6", kind="consumer"),
    ]  # fmt: skip


def moved(spans: list[Span], trace: str, seconds: int) -> list[Span]:
    """The same trace again, later."""
    by = seconds * 1000 * MS
    return [replace(one, trace_id=trace, start=one.start + by, end=one.end + by) for one in spans]
