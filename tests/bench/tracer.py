"""What a span costs, beside opentelemetry-sdk with its batch processor: one process, best of several rounds.

Without opentelemetry-sdk (extra `dev`) its column is left out, and that is said.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable
from typing import Any

from devbox import tracer

CALLS = 20_000
ROUNDS = 9
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


def nanoseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """The best round, per call; the other rounds met the machine's other work."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e9


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
    tracer.shutdown()
    return found


def theirs() -> dict[str, float]:
    """OpenTelemetry's SDK; its exporter drops everything, which favours it."""
    try:
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
            "function span": nanoseconds(block, CALLS // 10),
            "with block": nanoseconds(block, CALLS // 10),
            "with block, 6 attributes": nanoseconds(lambda: block(ATTRIBUTES), CALLS // 10),
        }
    provider.shutdown()
    return found


def import_time(statement: str) -> float:
    """Milliseconds, best of several fresh interpreters."""
    code = f"import time; a = time.perf_counter(); {statement}; print(time.perf_counter() - a)"
    argv = [sys.executable, "-c", code]
    said = [subprocess.run(argv, capture_output=True, text=True, check=False).stdout for _ in range(ROUNDS)]
    return min((float(one) * 1e3 for one in said if one), default=0.0)


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
    print(f"{'import':36}{import_time('import devbox.tracer'):>7.1f} ms", end="")
    print(f"{import_time('import opentelemetry.sdk.trace.export'):>9.1f} ms" if other else "")
    if not other:
        print("opentelemetry-sdk is not installed: pip install opentelemetry-sdk")


if __name__ == "__main__":
    main()
