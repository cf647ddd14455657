"""From a process that ends 100,000 spans a second to the store, beside opentelemetry-sdk with its batch
processor and OTLP/HTTP: how many are carried, how many are lost.

scripts/bench carry [SECONDS]      (default 60; the disk is freed afterwards)

Everything is as it is by default; the second run collects over SSH (a real sshd on loopback), the third shows
what happens beyond the spool's bound.
"""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from devbox.adapters.spools import HostSpools, LocalSpools
from devbox.adapters.ssh.connection import connect
from devbox.ports.traces import SpoolSource
from devbox.traces.model import Account
from devbox.traces.page.collector import Collector, Rhythm
from devbox.traces.store import Store
from devbox.web.live import Channel
from tests.ssh.sshd import sshd
from tests.traces.reading import started

Opening = Callable[[Path, Path], AbstractContextManager[SpoolSource]]

RATE = 100_000
PER_REQUEST = 10
STORE_BOUND = 8 << 30
"""So that nothing is evicted, and can be counted afterwards."""
BEYOND = 16 << 20
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


@contextmanager
def local(folder: Path, spool: Path) -> Iterator[SpoolSource]:
    """The spool, as a folder of this machine."""
    yield LocalSpools(spool)


@contextmanager
def over_ssh(folder: Path, spool: Path) -> Iterator[SpoolSource]:
    """The spool, as it is read on a host."""
    with sshd(folder / "sshd") as server:
        (folder / "ssh_config").write_text(server.stanza("box"))
        with (
            patch.dict(os.environ, DEVBOX_SSH_CONFIG=str(folder / "ssh_config")),
            connect("box", None) as host,
        ):
            yield HostSpools(host, [str(spool)])


@dataclass(frozen=True, slots=True)
class Carried:
    """Spans ended; where they are; the most that the spool and the segments that wait took, in bytes; seconds
    from the last span's end until all were stored.
    """

    ended: int
    account: Account
    spool: int
    waiting: int
    behind: float


class _Peaks(threading.Thread):
    """Watches how large folders become, until it is stopped."""

    def __init__(self, *folders: Path) -> None:
        super().__init__(daemon=True)
        self.found = dict.fromkeys(folders, 0)
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            for folder in self.found:
                self.found[folder] = max(self.found[folder], _size(folder))


def _size(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def ours(seconds: float, source: Opening, collecting: bool = True, **env: str) -> Carried:
    """Offer spans to our recorder and collector."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool = folder / "spool"

        def opened() -> Store:
            return Store(folder / "traces.db", STORE_BOUND)

        peaks = _Peaks(spool, opened().stage.folder)
        collector = Collector(lambda: source(folder, spool), opened, Channel(), Rhythm(0.05, 1e9))
        with started(OURS.replace("SECONDS", str(seconds)), spool, **env) as process:
            peaks.start()
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
        peaks.ended.set()
        collector.stop()
        store = opened()
        account = store.accounts()["app"]
        store.close()
        return Carried(ended, account, *peaks.found.values(), behind)


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


def _say(name: str, found: Carried) -> None:
    account = found.account
    print(
        f"devbox, {name}: {found.ended:,} ended, {account.stored:,} stored, {account.dropped:,} dropped and"
        f" counted, {found.ended - account.created} unaccounted; at most {found.spool >> 20} MiB of spool,"
        f" {found.waiting >> 20} MiB waiting; all in after {found.behind:.1f} s",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"{RATE:,} spans/s offered, {PER_REQUEST} to a request, for {seconds:.0f} s")
    beyond = {"DEVBOX_TRACE_SPOOL_BYTES": str(BEYOND)}
    for name, found in (
        ("default settings", lambda: ours(seconds, local)),
        ("default settings, over SSH", lambda: ours(seconds, over_ssh)),
        (
            f"spool bound {BEYOND >> 20} MiB, nobody collects",
            lambda: ours(seconds / 6, local, False, **beyond),
        ),
    ):
        _say(name, found())
    ended, arrived = theirs(seconds / 3)
    lost = 1 - arrived / ended
    rate = arrived / (seconds / 3)
    print(f"opentelemetry-sdk: {ended:,} ended, {arrived:,} arrived ({rate:,.0f}/s), {lost:.0%} lost")


if __name__ == "__main__":
    main()
