"""From a process that ends 100,000 spans a second to the store, beside opentelemetry-sdk with its batch
processor and OTLP/HTTP: how many are carried, how many are lost.

scripts/bench carry [SECONDS]      (default 60; the spool's bound is printed, the disk is freed afterwards)
"""

from __future__ import annotations

import http.server
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from devbox.adapters.spools import LocalSpools
from devbox.traces.model import Account
from devbox.traces.page.collector import Collector, Rhythm
from devbox.traces.store import Store
from devbox.web.live import Channel
from tests.traces.reading import started

RATE = 100_000
PER_REQUEST = 10
STORE_BOUND = 8 << 30
PACED = f"""
    import time
    def offer(request, seconds):
        begin, done = time.perf_counter(), 0
        while (now := time.perf_counter() - begin) < seconds:
            while done < now * {RATE}:
                request()
                done += {PER_REQUEST}
            time.sleep(0.002)
        return done
"""
OURS = (
    PACED
    + """
    @tracer.traced
    def step(): pass

    def request():
        with tracer.span("GET /orders", {"url.path": "/orders", "user.id": 12}, kind=tracer.SERVER):
            for _ in range(9): step()

    print(offer(request, SECONDS), flush=True)
"""
)
THEIRS = (
    PACED
    + """
    import logging; logging.disable()
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter("SINK")))
    their = provider.get_tracer("bench")

    def request():
        about = {"url.path": "/orders", "user.id": 12}
        with their.start_as_current_span("GET /orders", attributes=about, kind=trace.SpanKind.SERVER):
            for _ in range(9):
                with their.start_as_current_span("step"): pass

    print(offer(request, SECONDS), flush=True)
    provider.shutdown()
"""
)


def ours(seconds: float, bound: int, collecting: bool) -> tuple[int, Account, float]:
    """Spans ended; where they are; seconds from the last one's end until all were stored."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = folder / "spool"

        def opened() -> Store:
            return Store(folder / "traces.db", STORE_BOUND)

        collector = Collector(lambda: nullcontext(LocalSpools(spool)), opened, Channel(), Rhythm(0.05, 1e9))
        code = OURS.replace("SECONDS", str(seconds))
        with started(code, spool, DEVBOX_TRACE_SPOOL_BYTES=str(bound)) as process:
            if collecting:
                collector.start()
            assert process.stdout is not None
            ended = int(process.stdout.readline())
            last = time.monotonic()
        if not collecting:
            collector.start()
        while any(spool.iterdir()):
            time.sleep(0.05)
        behind = time.monotonic() - last
        collector.stop()
        store = opened()
        account = store.accounts()["app"]
        store.close()
        return ended, account, behind


class _Sink(http.server.BaseHTTPRequestHandler):
    """Takes every export at once, and keeps it for counting afterwards: nothing delays the exporter."""

    bodies: list[bytes]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


def theirs(seconds: float) -> tuple[int, int]:
    """Spans ended, and spans that arrived."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    handler = type("Sink", (_Sink,), {"bodies": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        code = THEIRS.replace("SECONDS", str(seconds))
        url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        said = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code).replace("SINK", url)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        server.shutdown()
        thread.join()
    requests = map(ExportTraceServiceRequest.FromString, handler.bodies)
    arrived = sum(
        len(scope.spans)
        for one in requests
        for resource in one.resource_spans
        for scope in resource.scope_spans
    )
    return int(said), arrived


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{RATE:,} spans/s offered, {PER_REQUEST} to a request, for {seconds:.0f} s")
    for collecting, bound in ((True, 512 << 20), (True, 64 << 20), (False, 16 << 20)):
        ended, account, behind = ours(seconds if collecting else seconds / 6, bound, collecting)
        who = "collected meanwhile" if collecting else "nobody collects meanwhile"
        unaccounted = ended - account.created
        print(
            f"devbox, spool bound {bound >> 20} MiB, {who}: {ended:,} ended, {account.stored:,} stored, "
            f"{account.dropped:,} dropped and counted, {unaccounted} unaccounted; "
            f"all in after {behind:.1f} s",
            flush=True,
        )
    ended, arrived = theirs(seconds / 3)
    lost = 1 - arrived / ended
    rate = arrived / (seconds / 3)
    print(f"opentelemetry-sdk: {ended:,} ended, {arrived:,} arrived ({rate:,.0f}/s), {lost:.0%} lost")


if __name__ == "__main__":
    main()
