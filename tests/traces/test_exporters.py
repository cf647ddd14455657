"""OTLP in, from the Node SDK's own exporters as the npm registry has them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.traces.otlp.intake import Intake
from devbox.traces.store import Store
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.server import Site, serving

PACKAGES = (
    "@opentelemetry/api@1",
    "@opentelemetry/sdk-trace-node@2",
    "@opentelemetry/exporter-trace-otlp-http@0.223",
    "@opentelemetry/exporter-trace-otlp-proto@0.223",
)
PROGRAM = """
const { trace, context, SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const { NodeTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-node");
const [url, encoding, compression] = process.argv.slice(2);
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${encoding}`);
const exporter = new OTLPTraceExporter({ url, compression });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();
const tracer = provider.getTracer("shop");
const attributes = { ratio: -1.5, minus: -3, flags: [true, false], "code.file.path": "/app/main.js" };
const root = tracer.startSpan("GET /", { kind: SpanKind.SERVER, attributes });
root.addEvent("cache", { hit: false });
const inside = trace.setSpan(context.active(), root);
for (let n = 0; n < 1000; n++) tracer.startSpan(`work ${n % 3}`, { attributes: { n } }, inside).end();
const bad = tracer.startSpan("bad", { links: [{ context: root.spanContext() }] }, inside);
bad.recordException(new Error("no é"));
bad.setStatus({ code: SpanStatusCode.ERROR, message: "no é" });
bad.end();
root.end();
provider.shutdown();
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program and the SDK."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed: the Node SDK's captured exports are the proof here")
    folder = tmp_path_factory.mktemp("node")
    argv = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefix",
        str(folder),
        *PACKAGES,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode:
        pytest.skip(f"npm could not install the Node SDK: {done.stderr.strip()[-500:]}")
    (folder / "program.js").write_text(PROGRAM)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["http", "proto"])
def test_everything_that_the_node_sdk_exports_arrives(
    node: Path, store: Store, encoding: str, compression: str
) -> None:
    site = Site([Intake(store).route()], Guard.of("127.0.0.1"), Channel())
    with serving(site, 0) as url:
        argv = ["node", str(node / "program.js"), f"{url}v1/traces", encoding, compression]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    store.settle()
    (row,) = store.traces()
    assert (row.spans, row.errors, row.name) == (1002, 1, "GET /")
    spans = {span.operation.name: span for span in store.spans(row.trace_id)}
    root, bad = spans["GET /"], spans["bad"]
    assert (root.operation.kind, root.operation.file) == ("server", "/app/main.js")
    assert {key: root.attributes[key] for key in ("ratio", "minus", "flags")} == {
        "ratio": -1.5,
        "minus": -3,
        "flags": [True, False],
    }
    assert [(event.name, event.attributes) for event in root.events] == [("cache", {"hit": False})]
    assert (bad.status, bad.message, bad.parent_id) == ("error", "no é", root.span_id)
    assert bad.events[0].attributes["exception.message"] == "no é"
    assert list(bad.links) == [(root.trace_id, root.span_id)]
    children = [span for span in store.spans(row.trace_id) if "n" in span.attributes]
    assert sorted(span.attributes["n"] for span in children) == list(range(1000))
    assert {span.parent_id for span in children} == {root.span_id}
