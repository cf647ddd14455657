"""The span recorder: standard library only, imports nothing of devbox, runs wherever its folder is copied to.

Switch on, from inside or from outside:

    from devbox import tracer
    tracer.configure(service="order", spool="/var/spool/devbox")     # both optional, see the variables

    DEVBOX_TRACE_SPOOL     folder for the spool; without it (and without `spool=`) the recorder stays off
    DEVBOX_TRACE_SERVICE   the service's name; else OTEL_SERVICE_NAME, else the program's name
    DEVBOX_TRACE_SPOOL_BYTES   bound of one process's spool, 64 MiB by default
    DEVBOX_TRACE_CPU=1     spans of functions and `with` blocks say how long they were on the processor
                           (attribute `cpu.time`, ns); each costs about three times as much then
    TRACEPARENT, TRACESTATE, BAGGAGE   the trace that a parent process continues in this one

`configure()` reads the variables when it is called; until then, and without a folder, everything here may be
used and costs next to nothing. Call it once per process, before the application's modules are imported;
forked children (prefork servers, multiprocessing) get a spool of their own by themselves.

Spans:

    with tracer.span("charge", {"order.id": 7}, kind=tracer.CLIENT) as span: span.set_attribute(...)
    @tracer.traced                    functions, coroutines, generators, asynchronous generators
    tracer.instrument("shop")         every function of shop and shop.*, as they are imported
    tracer.current()                  the active span, never None
    tracer.record("GET /", start, end)    what somebody else saw run, such as a line of nginx's log

Roads. Every road carries the three W3C fields `traceparent`, `tracestate`, `baggage` as texts:

    tracer.inject(carrier)            before sending: writes them into any mapping (HTTP or message headers)
    with tracer.span("POST /orders", kind=tracer.SERVER, parent=tracer.extract(headers)): ...
                                      when receiving; CONSUMER for a message taken from a queue
    tracer.child_environment()        an environment for a process that is not started by `subprocess`
    tracer.carried(function)          for other threads (Thread and executors carry by themselves)
    tracer.wsgi(app), tracer.asgi(app)    whole applications

After configure(), these are recorded and carry the trace by themselves, whenever they are imported:
http.client (and with it urllib, urllib3, requests), httpx, aiohttp (client and server), grpc, pika,
kafka-python, confluent-kafka (its producers), sqlite3, SQLAlchemy, psycopg (3), redis, subprocess.
Their spans stand at the application's line that made the call. An application's OpenTelemetry spans and ours
are one trace (see `hooks`). From outside, in a program that knows nothing of this, servers and frameworks are
recorded too: see `outside` and `inject/sitecustomize.py`.

`span(..., parent=...)` is the only place where the trace of somebody else is entered; `attached(context)`
enters one without a span of its own.
"""

from __future__ import annotations

from .functions import traced
from .layout import CLIENT, CONSUMER, ERROR, INTERNAL, OK, PRODUCER, SERVER, UNSET
from .making import record, span
from .propagation import (
    SpanContext,
    attached,
    baggage,
    child_environment,
    extract,
    headers,
    inject,
    set_baggage,
)
from .recorder import RECORDER
from .spans import Span, current
from .switch import configure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "CLIENT",
    "CONSUMER",
    "ERROR",
    "INTERNAL",
    "OK",
    "PRODUCER",
    "SERVER",
    "UNSET",
    "Span",
    "SpanContext",
    "asgi",
    "attached",
    "baggage",
    "carried",
    "child_environment",
    "configure",
    "current",
    "enabled",
    "extract",
    "headers",
    "inject",
    "instrument",
    "no_trace",
    "record",
    "set_baggage",
    "shutdown",
    "span",
    "traced",
    "wsgi",
]


def enabled() -> bool:
    """Whether spans are being kept."""
    return RECORDER.spool is not None


def shutdown() -> None:
    """Keep no more spans; leaving the process does this by itself."""
    RECORDER.stop()


def instrument(*modules: str) -> None:
    """Record every function of these modules and of all below them, from when they are imported."""
    from .imports import instrument

    instrument(*modules)


def no_trace(function: Any) -> Any:
    """Leave this function out of `instrument`."""
    return function


def carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, continuing wherever it is called the trace that is active now."""
    from .hooks.threads import carried

    return carried(function)


def wsgi(application: Callable[..., Any]) -> Any:
    """A WSGI application with a server span per request."""
    from .serve_wsgi import TracedWsgi

    return TracedWsgi(application)


def asgi(application: Callable[..., Any]) -> Any:
    """An ASGI application with a server span per request or WebSocket."""
    from .serve_asgi import TracedAsgi

    return TracedAsgi(application)
