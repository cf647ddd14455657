"""Spans of an application's OpenTelemetry SDK and ours are one trace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from devbox import tracer
from tests.tracer.inside import recording
from tests.traces.reading import Reader


class Application:
    """An application with an SDK and an exporter of its own."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("app")

    def exported(self, name: str) -> ReadableSpan:
        return next(span for span in self.exporter.get_finished_spans() if span.name == name)


@pytest.fixture
def started(reader: Reader) -> Iterator[Application]:
    with recording(reader, hooks=True):
        made = Application()
        yield made
        made.provider.shutdown()


def test_each_inside_the_other(started: Application, reader: Reader) -> None:
    inside = started.tracer.start_as_current_span
    with tracer.span("ours"):
        with inside("theirs"), tracer.span("ours inside"), inside("theirs inside"):
            pass
        with tracer.span("beside"):
            pass
    names = ("ours", "theirs", "ours inside", "theirs inside")
    ours, theirs, middle, deep = (reader.named(name) for name in names)
    assert [theirs.parent_id, middle.parent_id, deep.parent_id] == [
        ours.span_id,
        theirs.span_id,
        middle.span_id,
    ]
    assert reader.named("beside").parent_id == ours.span_id
    assert {span.trace_id for span in (ours, theirs, middle, deep)} == {ours.trace_id}
    exported = started.exported("theirs inside")
    assert exported.parent is not None
    assert f"{exported.parent.span_id:016x}" == middle.span_id
    assert f"{exported.context.trace_id:032x}" == ours.trace_id
    assert ours.start <= theirs.start <= middle.start <= deep.start <= deep.end <= theirs.end <= ours.end


def test_what_their_spans_carry(started: Application, reader: Reader) -> None:
    span = started.tracer.start_span("pay", kind=trace.SpanKind.CLIENT)
    span.add_link(trace.SpanContext(0xA, 0xB, is_remote=True), {"why": "retry"})
    span.set_attributes({"amount": 12, "tags": ["a", "b"]})
    span.add_event("asked", {"times": 2})
    span.record_exception(ValueError("wrong"))
    span.set_status(trace.Status(trace.StatusCode.ERROR, "wrong"))
    span.end()
    pay = reader.named("pay")
    assert (pay.operation.kind, pay.status, pay.message) == ("client", "error", "wrong")
    assert pay.attributes == {"amount": 12, "tags": ["a", "b"]}
    assert [event.name for event in pay.events] == ["asked", "exception"]
    assert pay.start <= pay.events[0].at <= pay.end
    assert pay.links == [("0" * 31 + "a", "0" * 15 + "b")]


def test_tasks_side_by_side_and_their_propagator(started: Application, reader: Reader) -> None:
    async def work(number: int) -> dict[str, str]:
        with tracer.span(f"ours {number}"):
            await asyncio.sleep(0)
            with started.tracer.start_as_current_span(f"theirs {number}"):
                await asyncio.sleep(0)
            headers: dict[str, str] = {}
            propagate.inject(headers)
            return headers

    async def both() -> list[dict[str, str]]:
        return list(await asyncio.gather(work(1), work(2)))

    for number, headers in enumerate(asyncio.run(both()), start=1):
        ours = reader.named(f"ours {number}")
        assert reader.named(f"theirs {number}").parent_id == ours.span_id
        assert headers["traceparent"] == f"00-{ours.trace_id}-{ours.span_id}-01"


def test_a_caller_that_their_propagator_found(started: Application, reader: Reader) -> None:
    context = propagate.extract({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    with started.tracer.start_as_current_span("theirs", context=context), tracer.span("ours"):
        pass
    theirs, ours = reader.named("theirs"), reader.named("ours")
    assert (theirs.trace_id, theirs.parent_id) == ("a" * 32, "b" * 16)
    assert (ours.trace_id, ours.parent_id) == ("a" * 32, theirs.span_id)
    assert tracer.current().span_id == "0" * 16
