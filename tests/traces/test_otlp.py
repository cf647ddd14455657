"""OTLP in: what real exporters send arrives; what is wrong is refused with the status it deserves."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbox.traces.export import otlp
from devbox.traces.otlp import wire
from devbox.traces.otlp.intake import AT_ONCE, Intake
from devbox.traces.otlp.model import Malformed, accepted
from devbox.traces.store import Store
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.model import Refused, Request
from devbox.web.server import Site, serving
from tests.traces.pages import order

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
CAPTURED = Path(__file__).parent / "captured"
"""What the Node SDK sent once; `test_exporters` runs it anew."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    site = Site([Intake(store).route()], Guard.of("127.0.0.1"), Channel())
    with serving(site, 0) as base:
        yield f"{base}v1/traces"


def post(url: str, body: bytes, kind: str = JSON, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    given = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, body, given)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)
    except urllib.error.URLError as error:  # refused before all of it was sent
        if not isinstance(error.reason, (BrokenPipeError, ConnectionResetError)):
            raise
        return 413, b"", {}


EXPORTER = """
    import sys
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider(resource=Resource.create({"service.name": "theirs", "n": [1, 2]}))
    exporter = OTLPSpanExporter(sys.argv[1], compression=Compression[sys.argv[2]])
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("x")
    with tracer.start_as_current_span("GET /", kind=trace.SpanKind.SERVER) as span:
        span.set_attribute("code.file.path", "/app/main.py")
        span.set_attribute("code.line.number", 12)
        span.set_attribute("ratio", -1.5)
        span.set_attribute("minus", -3)
        span.set_attribute("flags", [True, False])
        span.add_event("cache", {"hit": False})
        for number in range(1000):
            with tracer.start_as_current_span(f"work {number % 3}"): pass
        try:
            with tracer.start_as_current_span("bad", links=[trace.Link(span.get_span_context())]):
                raise ValueError("no é")
        except ValueError: pass
    provider.shutdown()
"""


@pytest.mark.parametrize("compression", ["NoCompression", "Gzip"])
def test_everything_that_the_python_sdk_exports_arrives(store: Store, url: str, compression: str) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(EXPORTER), url, compression]
    done = subprocess.run(argv, env={**os.environ}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    store.settle()
    (row,) = store.traces()
    assert (row.spans, row.errors, row.name, row.services) == (1002, 1, "GET /", ["theirs"])
    spans = {span.operation.name: span for span in store.spans(row.trace_id)}
    root, bad = spans["GET /"], spans["bad"]
    assert (root.operation.kind, root.operation.file, root.operation.line) == ("server", "/app/main.py", 12)
    assert {key: root.attributes[key] for key in ("ratio", "minus", "flags")} == {
        "ratio": -1.5,
        "minus": -3,
        "flags": [True, False],
    }
    assert [(event.name, event.attributes) for event in root.events] == [("cache", {"hit": False})]
    assert (bad.status, bad.message) == ("error", "ValueError: no é")
    assert bad.events[0].attributes["exception.message"] == "no é"
    assert list(bad.links) == [(root.trace_id, root.span_id)]
    assert bad.parent_id == root.span_id
    assert store.resource(root.process)["n"] == [1, 2]
    assert store.accounts()["theirs"].stored == 1002


def test_what_we_export_comes_in_again_the_same(store: Store, url: str) -> None:
    body = json.dumps(otlp(order())).encode()
    assert post(url, gzip.compress(body), Content_Encoding="gzip")[:2] == (200, b"{}")

    def essence(spans: Any) -> list[Any]:
        return sorted(
            (one.span_id, one.parent_id, one.operation, one.start, one.end, one.status, one.message)
            for one in spans
        )

    assert essence(store.spans()) == essence(order())


def span(**changes: Any) -> dict[str, Any]:
    made = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "x",
        "kind": "SPAN_KIND_SERVER",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": 1700000000000000005,
    }
    return {**made, **changes}


def request(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({"traceId": "0" * 32}, id="trace id of zeros"),
        pytest.param({"spanId": "0" * 16}, id="span id of zeros"),
        pytest.param({"traceId": "xyz"}, id="no hex"),
        pytest.param({"spanId": "ab"}, id="short id"),
        pytest.param({"parentSpanId": "ab"}, id="short parent"),
        pytest.param({"endTimeUnixNano": 5}, id="ends before it begins"),
        pytest.param({"startTimeUnixNano": 0}, id="no start"),
        pytest.param({"endTimeUnixNano": 1 << 70}, id="ends never"),
    ],
)
def test_a_span_that_is_none_is_refused_and_the_others_are_kept(
    store: Store, url: str, bad: dict[str, Any]
) -> None:
    status, body, _ = post(url, request(span(), span(spanId="ef" * 8) | bad))
    said = json.loads(body)["partialSuccess"]
    assert (status, said["rejectedSpans"]) == (200, "1")
    assert said["errorMessage"]
    assert [one.operation.kind for one in store.spans()] == ["server"]


def test_a_partial_success_in_protobuf_is_read_by_their_own_code() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    said = ExportTraceServiceResponse.FromString(wire.answer(300, "because"))
    assert (said.partial_success.rejected_spans, said.partial_success.error_message) == (300, "because")
    assert wire.answer(0, "") == b""


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status"),
    [
        pytest.param(b"{", JSON, {}, 400, id="broken JSON"),
        pytest.param(b"[]", JSON, {}, 400, id="another JSON"),
        pytest.param(b"[" * 100_000, JSON, {}, 400, id="JSON as deep as the stack"),
        pytest.param(b"\xff\xff\xff", PROTOBUF, {}, 400, id="broken protobuf"),
        pytest.param(b"\x0a\x7f", PROTOBUF, {}, 400, id="longer than it is"),
        pytest.param(b"x", "text/plain", {}, 415, id="neither"),
        pytest.param(b"x", JSON, {"Content_Encoding": "br"}, 415, id="unknown coding"),
        pytest.param(b"x", JSON, {"Content_Encoding": "gzip"}, 400, id="not gzip"),
        pytest.param(gzip.compress(bytes(80 << 20)), JSON, {"Content_Encoding": "gzip"}, 413, id="a bomb"),
        pytest.param(bytes(17 << 20), PROTOBUF, {}, 413, id="too large"),
    ],
)
def test_what_is_wrong_is_refused_with_its_status(
    store: Store, url: str, body: bytes, kind: str, headers: dict[str, str], status: int
) -> None:
    assert post(url, body, kind, **headers)[0] == status
    assert list(store.spans()) == []
    assert post(url, request(span()))[0] == 200


@given(st.binary(max_size=200))
def test_any_bytes_are_spans_or_malformed(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        wire.groups(body)


@given(st.data())
def test_a_damaged_export_is_spans_or_malformed(data: st.DataObject) -> None:
    body = bytearray((CAPTURED / "node.pb").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        for group in wire.groups(bytes(body)):
            assert all(len(span.trace_id) == 32 for span in accepted(group, "x").spans)


TEXTS = st.text(max_size=200)
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False))
MADE = st.fixed_dictionaries(
    {
        "ids": st.tuples(*[st.binary(min_size=size, max_size=size) for size in (16, 8, 8)]),
        "parent": st.booleans(),
        "texts": st.tuples(TEXTS, TEXTS, TEXTS),
        "numbers": st.tuples(*[st.integers(0, (1 << 64) - 1)] * 2, st.integers(0, 300), st.integers(0, 2)),
        "attributes": st.dictionaries(TEXTS, SCALARS, max_size=4),
        "flags": st.booleans(),
        "mixed": st.booleans(),
    }
)


def with_their_code(made: dict[str, Any]) -> bytes:
    """That span, written by protobuf's own code; `mixed`: its fields in an order that nobody expects."""
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Theirs

    first = Theirs(trace_id=made["ids"][0], span_id=made["ids"][1], name=made["texts"][0])
    first.parent_span_id = made["ids"][2] if made["parent"] else b""
    first.start_time_unix_nano, first.end_time_unix_nano, first.kind, first.status.code = made["numbers"]
    rest = Theirs(trace_state=made["texts"][1], flags=257 if made["flags"] else 0)
    rest.status.message = made["texts"][2]
    for key, value in made["attributes"].items():
        kind = {str: "string_value", bool: "bool_value", int: "int_value", float: "double_value"}[type(value)]
        setattr(rest.attributes.add(key=key).value, kind, value)
    mixed = rest.SerializeToString() + first.SerializeToString()
    whole = mixed if made["mixed"] else Theirs.FromString(mixed).SerializeToString()
    return framed(1, framed(2, framed(2, whole)))


def framed(number: int, data: bytes) -> bytes:
    """A field that holds a message."""
    size = len(data)
    return bytes([number << 3 | 2, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data


@given(MADE)
def test_what_protobufs_own_code_writes_is_read_the_same_in_any_order(made: dict[str, Any]) -> None:
    ((raw,),) = (group.spans for group in wire.groups(with_their_code(made)))
    trace, span, parent = (one.hex() for one in made["ids"])
    assert (raw.trace_id, raw.span_id, raw.parent_id) == (trace, span, parent if made["parent"] else "")
    assert (raw.name, raw.tracestate, raw.message) == made["texts"]
    assert (raw.start, raw.end, raw.kind, raw.status) == made["numbers"]
    assert raw.attributes == made["attributes"]


def test_more_than_can_be_taken_is_asked_to_come_again(store: Store) -> None:
    busy, go = threading.Semaphore(0), threading.Event()

    class Slow(Intake):
        def _take(self, request: Request, codec: Any) -> bytes:
            busy.release()
            go.wait(20)
            return super()._take(request, codec)

    intake = Slow(store)
    export = Request("POST", "/v1/traces", headers={"content-type": JSON}, body=request(span()))
    threads = [threading.Thread(target=intake.answer, args=(export,)) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
        busy.acquire()
    with pytest.raises(Refused) as caught:
        intake.answer(export)
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    go.set()
    for thread in threads:
        thread.join()
    assert intake.answer(export).status == 200


def test_huge_and_odd_attributes_are_cut_not_believed(store: Store, url: str) -> None:
    attributes = [{"key": f"k{n}", "value": {"stringValue": "x" * 100_000}} for n in range(10)]
    deep: dict[str, Any] = {"stringValue": "bottom"}
    for _ in range(50):
        deep = {"arrayValue": {"values": [deep]}}
    attributes += [{"key": "deep", "value": deep}, {"key": "lone", "value": {"stringValue": "\ud800"}}]
    assert post(url, request(span(name="n" * 100_000, attributes=attributes)))[0] == 200
    (kept,) = store.spans()
    assert len(kept.operation.name) == 4097
    assert all(len(str(value)) < 5000 for value in kept.attributes.values())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("file", "kind"), [("node.json", JSON), ("node.pb", PROTOBUF)])
def test_what_the_node_sdk_exports_arrives(
    store: Store, url: str, file: str, kind: str, compressed: bool
) -> None:
    body = (CAPTURED / file).read_bytes()
    sent = gzip.compress(body) if compressed else body
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    headers = {"Content-Type": kind, **({"Content-Encoding": "gzip"} if compressed else {})}
    pieces = iter([sent[:100], sent[100:]])
    link.request("POST", parts.path, pieces, headers, encode_chunked=True)
    answer = link.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    answer.read()
    link.close()
    spans = {span.operation.name: span for span in store.spans()}
    root, bad = spans["GET /"], spans["bad"]
    assert (root.operation.service, root.operation.kind) == ("node-app", "server")
    assert dict(root.attributes) == {"ratio": -1.5, "minus": -3, "flags": [True, False]}
    assert [event.name for event in root.events] == ["cache"]
    assert (bad.status, bad.message, bad.parent_id) == ("error", "no é", root.span_id)
    assert list(bad.links) == [(root.trace_id, root.span_id)]
