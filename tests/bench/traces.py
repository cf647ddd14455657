"""The store of traces at its acceptance sizes: how quickly spans come in and questions are answered.

scripts/bench traces [SPANS]      (default 1,000,000; about 200 bytes of disk each, removed afterwards)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devbox.traces.export import otlp
from devbox.traces.otlp import wire
from devbox.traces.otlp.model import accepted
from devbox.traces.query import parse
from devbox.traces.store import Store
from tests.traces.made import process, spans

ROUNDS = 5
PER_BATCH = 1500
BOUND = 4 << 30


def filled(store: Store, amount: int) -> dict[str, float]:
    """Put spans in; seconds by step."""
    spent = {"added": 0.0, "settled": 0.0, "spans": 0.0}
    seed = 0
    while spent["spans"] < amount:
        batch = list(spans(seed, PER_BATCH, 14))
        seed += 1
        begin = time.perf_counter()
        store.add(process(), batch)
        middle = time.perf_counter()
        store.settle()
        spent["added"] += middle - begin
        spent["settled"] += time.perf_counter() - middle
        spent["spans"] += len(batch)
    return spent


def best(ask: Callable[[], Any]) -> float:
    """Milliseconds, of several rounds."""
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        ask()
        found.append(time.perf_counter() - begin)
    return min(found) * 1e3


def questions(store: Store) -> list[tuple[str, float, float]]:
    """What is asked, how long it may take, how long it takes."""
    newest = store.traces(1)[0].trace_id
    asked: list[tuple[str, float, Callable[[], Any]]] = [
        ("20 slowest traces", 50, lambda: store.traces(20, None, "slowest")),
        ("slowest functions", 20, store.functions),
        ("one trace", 10, lambda: list(store.spans(newest))),
        ("by a tag", 200, lambda: store.traces(20, parse("user.id=12"))),
        ("by a tag and more", 200, lambda: store.traces(20, parse("user.id=12 service:order took>5ms"))),
        ("A >> B", 200, lambda: store.traces(20, parse("service:order >> service:user"))),
        ("by a word that is nowhere", 1000, lambda: store.traces(20, parse("nothing-of-the-kind"))),
        ("service map", 20, store.edges),
    ]
    return [(name, reach, best(ask)) for name, reach, ask in asked]


def received() -> float:
    """Spans per second that one core reads from OTLP in protobuf, up to the store's door."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    many = list(spans(1, 700))
    document = otlp(many)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:  # ParseDict reads ids as base64, OTLP's own JSON has them in hex
                for key in ("traceId", "spanId", "parentSpanId"):
                    span[key] = _base64(span[key])
    body = ParseDict(document, ExportTraceServiceRequest()).SerializeToString()
    took = best(lambda: [accepted(group, "x") for group in wire.groups(body)])
    return len(many) / took * 1e3


def _base64(hexadecimal: str) -> str:
    import base64

    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def main() -> None:
    """Print the table."""
    amount = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.db"
        store = Store(path, BOUND)
        spent = filled(store, amount)
        count = spent["spans"]
        print(f"{count:,.0f} spans, {path.stat().st_size / count:.0f} bytes each on disk (reach 300)")
        added, settled = (spent[step] / count * 1e6 for step in ("added", "settled"))
        print(f"added {added:.1f} us, settled {settled:.1f} us a span")
        door = received()
        through = 1e6 / (1e6 / door + added + settled)
        print(f"OTLP protobuf read: {door:,.0f} spans/s on one core (reach 150,000), to disk {through:,.0f}")
        print(f"{'':28}{'reach':>10}{'took':>12}")
        for name, reach, took in questions(store):
            print(f"{name:28}{reach:>7.0f} ms{took:>9.1f} ms{'' if took <= reach else '   not reached'}")
        store.close()


if __name__ == "__main__":
    main()
