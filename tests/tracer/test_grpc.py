"""gRPC through its own interceptors: all four kinds of calls, over a real channel."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from devbox import tracer
from tests.tracer.inside import recording
from tests.traces.reading import Reader


def one(request: bytes, context: Any) -> bytes:
    with tracer.span("work"):
        return request


def many(request: bytes, context: Any) -> Iterator[bytes]:
    for _ in range(3):
        with tracer.span("work"):
            yield request


def sums(requests: Iterator[bytes], context: Any) -> bytes:
    with tracer.span("work"):
        return b"".join(requests)


def echoes(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
    for request in requests:
        with tracer.span("work"):
            yield request


def aborts(request: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
    return b""


def breaks(request: bytes, context: Any) -> bytes:
    raise RuntimeError("broken")


METHODS = {
    "One": grpc.unary_unary_rpc_method_handler(one),
    "Many": grpc.unary_stream_rpc_method_handler(many),
    "Sum": grpc.stream_unary_rpc_method_handler(sums),
    "Echo": grpc.stream_stream_rpc_method_handler(echoes),
    "Aborts": grpc.unary_unary_rpc_method_handler(aborts),
    "Breaks": grpc.unary_unary_rpc_method_handler(breaks),
}


@contextmanager
def calling() -> Iterator[grpc.Channel]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Orders", METHODS),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
        server.stop(None).wait()


CALLS = [
    ("One", lambda channel: channel.unary_unary("/shop.Orders/One")(b"a"), 1),
    ("Many", lambda channel: list(channel.unary_stream("/shop.Orders/Many")(b"a")), 3),
    ("Sum", lambda channel: channel.stream_unary("/shop.Orders/Sum")(iter([b"a", b"b"])), 1),
    ("Echo", lambda channel: list(channel.stream_stream("/shop.Orders/Echo")(iter([b"a", b"b"]))), 2),
    ("One", lambda channel: channel.unary_unary("/shop.Orders/One").future(b"a").result(), 1),
]


@pytest.mark.parametrize(("name", "call", "works"), CALLS, ids=["one", "many", "sum", "echo", "future"])
def test_each_kind_of_call_is_one_trace(reader: Reader, name: str, call: Any, works: int) -> None:
    with recording(reader, hooks=True), calling() as channel, tracer.span("root") as root:
        assert call(channel)
    spans = reader.spans()
    client = next(span for span in spans if span.operation.kind == "client")
    server = next(span for span in spans if span.operation.kind == "server")
    work = [span for span in spans if span.operation.name == "work"]
    assert {span.operation.name for span in (client, server)} == {f"shop.Orders/{name}"}
    assert (client.parent_id, server.parent_id) == (root.span_id, client.span_id)
    assert [span.parent_id for span in work] == [server.span_id] * works
    assert client.attributes["rpc.grpc.status_code"] == server.attributes["rpc.grpc.status_code"] == 0
    assert len(spans) == 3 + works
    assert {span.operation.file for span in spans} == {__file__}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("Aborts", 5, "NOT_FOUND: no such order"),
        ("Breaks", 2, "UNKNOWN: Exception calling application: broken"),
    ],
)
def test_failures(reader: Reader, name: str, code: int, words: str) -> None:
    with recording(reader, hooks=True), calling() as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(f"/shop.Orders/{name}")(b"a")
    client = next(span for span in reader.spans() if span.operation.kind == "client")
    server = next(span for span in reader.spans() if span.operation.kind == "server")
    assert (client.status, client.message, client.attributes["rpc.grpc.status_code"]) == (
        "error",
        words,
        code,
    )
    assert server.status == "error"
    assert server.message == (words if name == "Aborts" else "RuntimeError: broken")


def test_a_server_that_is_not_there(reader: Reader) -> None:
    with recording(reader, hooks=True), grpc.insecure_channel("127.0.0.1:1") as channel:
        call = channel.unary_unary("/shop.Orders/One").future(b"a")
        assert call.exception() is not None
    (client,) = reader.spans()
    assert (client.status, client.attributes["rpc.grpc.status_code"]) == ("error", 14)
