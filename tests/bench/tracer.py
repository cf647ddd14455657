"""What a span costs, beside opentelemetry-sdk with its batch processor: one process, best of several rounds.

Without opentelemetry-sdk and its WSGI middleware (extra `dev`) that column is left out, and that is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

from devbox import tracer

CALLS = 500
ROUNDS = 300
"""Short rounds, and many: on a machine with other work, some of them meet none of it."""
ATTRIBUTES = {
    "http.request.method": "GET",
    "url.path": "/users/12",
    "http.response.status_code": 200,
    "server.address": "user",
    "user.id": 12,
    "ratio": 1.5,
}


def bare(first: int, second: int = 2) -> None:
    """What is traced."""


recorded = tracer.traced(bare)


def nanoseconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The best round, per call."""
    return min(timeit.repeat(call, number=CALLS, repeat=rounds)) / CALLS * 1e9


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """What is traced."""
    start_response("200 OK", [])
    return [b""]


def requests(application: Callable[..., Any], rounds: int = ROUNDS) -> float:
    """Of a whole request, from the environ to the end of its body."""
    environ: dict[str, Any] = {"HTTP_TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    setup_testing_defaults(environ)

    def request() -> None:
        body = application(dict(environ), lambda status, headers, *more: None)
        b"".join(body)
        if hasattr(body, "close"):
            body.close()

    return nanoseconds(request, rounds)


def ours(folder: str) -> dict[str, float]:
    """Our costs; the bare call is taken off."""

    def with_block() -> None:
        with tracer.span("block"):
            pass

    def with_attributes() -> None:
        with tracer.span("block", ATTRIBUTES):
            pass

    base = nanoseconds(lambda: bare(1))
    off = nanoseconds(lambda: recorded(1)) - base
    tracer.configure("bench", folder, hooks=False, limit=16 << 20)
    root = nanoseconds(lambda: recorded(1)) - base
    with tracer.span("root"):
        found = {
            "function, recorder off": off,
            "function span": nanoseconds(lambda: recorded(1)) - base,
            "function span that begins a trace": root,
            "with block": nanoseconds(with_block),
            "with block, 6 attributes": nanoseconds(with_attributes),
        }
    found["WSGI request, added"] = requests(tracer.wsgi(application)) - requests(application)
    tracer.shutdown()
    return found


def theirs() -> dict[str, float]:
    """OpenTelemetry's SDK; its exporter drops everything, which favours it."""
    try:
        from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    except ImportError:
        return {}

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    their = provider.get_tracer("bench")

    def block(attributes: Any = None) -> None:
        with their.start_as_current_span("block", attributes=attributes):
            pass

    with their.start_as_current_span("root"):
        found = {
            "function span": nanoseconds(block, ROUNDS // 10),
            "with block": nanoseconds(block, ROUNDS // 10),
            "with block, 6 attributes": nanoseconds(lambda: block(ATTRIBUTES), ROUNDS // 10),
        }
    middleware = OpenTelemetryMiddleware(application, tracer_provider=provider)
    found["WSGI request, added"] = requests(middleware, ROUNDS // 10) - requests(application)
    provider.shutdown()
    return found


def import_time(statement: str) -> float:
    """Milliseconds, best of several fresh interpreters; compiled, as installed packages are."""
    code = f"import time; a = time.perf_counter(); {statement}; print(time.perf_counter() - a)"
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        argv = [sys.executable, "-c", code]
        said = [
            subprocess.run(argv, capture_output=True, text=True, check=False, env=env).stdout
            for _ in range(20)
        ]
    return min((float(one) * 1e3 for one in said if one), default=0.0)


OURS = """
import tempfile; from devbox import tracer
tracer.configure("bench", tempfile.mkdtemp(), hooks=False)
for _ in range(1000):
    with tracer.span("work"): pass
"""
THEIRS = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter("http://127.0.0.1:1/v1/traces")))
for _ in range(1000):
    with provider.get_tracer("bench").start_as_current_span("work"): pass
"""


def leaving(code: str, times: int) -> float:
    """Milliseconds from the last line of a program that has recorded until it is gone; nobody collects."""
    argv = [sys.executable, "-c", code + "import time; print(time.monotonic(), flush=True)"]
    took = []
    for _ in range(times):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            took.append((time.monotonic() - float(done.stdout)) * 1e3)
    return min(took, default=0.0)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        mine = ours(folder)
    other = theirs()
    print(f"{'':36}{'devbox':>10}{'otel sdk':>12}{'ratio':>8}")
    for name, value in mine.items():
        peer = other.get(name)
        shown = f"{peer:>9.0f} ns{peer / value:>7.1f}x" if peer else ""
        print(f"{name:36}{value:>7.0f} ns{shown}")
    rows = {
        "import": (import_time("import devbox.tracer"), import_time("import opentelemetry.sdk.trace.export")),
        "leaving, nobody collects": (leaving(OURS, 5), leaving(THEIRS, 1)),
    }
    for name, (value, peer) in rows.items():
        shown = f"{peer:>9.1f} ms{peer / value:>7.1f}x" if peer else ""
        print(f"{name:36}{value:>7.1f} ms{shown}")
    if not other:
        print("not installed: pip install opentelemetry-sdk opentelemetry-instrumentation-wsgi")


if __name__ == "__main__":
    main()
