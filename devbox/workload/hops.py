"""The hops between processes as spans: what every road does to carry a trace over, told once.

The context travels as `traceparent` (W3C Trace Context) among a call's headers, whichever road it takes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devbox import tracer
from devbox.workload.contract import QUEUES

TRACEPARENT = "traceparent"


def start(service: str) -> None:
    """Record the spans of this process under the name of its service (where DEVBOX_TRACE_SPOOL says so)."""
    # The roads carry the context themselves: hooks into http.client would draw each REST hop twice.
    tracer.configure(service, hooks=False)


@contextmanager
def calling(road: str, operation: str, headers: dict[str, str], attempt: int) -> Iterator[None]:
    """The caller's side of a hop; the context goes into `headers`."""
    kind = tracer.PRODUCER if road in QUEUES else tracer.CLIENT
    with tracer.span(f"{road} {operation}", kind=kind, road=road, attempt=attempt):
        tracer.inject(headers)
        yield


@contextmanager
def serving(road: str, operation: str, headers: Mapping[str, str]) -> Iterator[None]:
    """The callee's side of a hop: below the span that `headers` name."""
    kind = tracer.CONSUMER if road in QUEUES else tracer.SERVER
    with tracer.span(f"{road} {operation}", kind=kind, parent=tracer.extract(headers), road=road):
        yield


@contextmanager
def entering(name: str, headers: dict[str, str]) -> Iterator[str]:
    """A request that enters the shop; the context goes into `headers`, the trace id comes back."""
    with tracer.span(name, kind=tracer.SERVER, parent=tracer.extract(headers)) as span:
        tracer.inject(headers)
        yield span.trace_id


@contextmanager
def resuming(name: str, origin: str) -> Iterator[None]:
    """Work that goes on with a trace whose process may be long dead; `origin` is its traceparent."""
    with tracer.span(name, parent=tracer.extract({TRACEPARENT: origin})):
        yield


@contextmanager
def inside(name: str, **attributes: object) -> Iterator[None]:
    """A step inside one process that is no function of its own. It never begins a trace: what background
    threads ask their database in vain is nobody's request."""
    if not traceparent():
        yield
        return
    with tracer.span(name, attributes):
        yield


def traceparent() -> str:
    """The active span as it travels; empty outside of any."""
    headers: dict[str, str] = {}
    tracer.inject(headers)
    return headers.get(TRACEPARENT, "")


def waited(topic: str, headers: Mapping[str, str], sent: int, attempt: int) -> dict[str, str]:
    """Draw a message's time in the queue as a bar of its own, from `sent` (ns since the epoch) until now; the
    headers that come back name that bar as the parent of what follows."""
    above = tracer.extract(headers)
    if not above:
        return dict(headers)
    bar = Bar(f"in queue {topic}", above.trace_id.hex(), secrets.token_hex(8), f"{above.span_id:016x}", sent)
    draw(bar, time.time_ns(), tracer.CONSUMER, {"attempt": attempt})
    return {**headers, TRACEPARENT: f"00-{bar.trace}-{bar.span}-01"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A span that nobody's code ran in; ids in hex, `start` in nanoseconds since the epoch."""

    name: str
    trace: str
    span: str
    parent: str
    start: int


def draw(bar: Bar, end: int, kind: int, attributes: Mapping[str, Any], *, failed: bool = False) -> None:
    """Record a bar that ended at `end` (ns since the epoch)."""
    own = tracer.SpanContext(bytes.fromhex(bar.trace), int(bar.span, 16))
    above = tracer.SpanContext(own.trace_id, int(bar.parent, 16), remote=True) if bar.parent else None
    error = "failed" if failed else ""
    tracer.record(bar.name, bar.start, end, attributes, kind=kind, parent=above, own=own, error=error)
