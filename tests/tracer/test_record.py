"""Spans that nobody's code ran in."""

from __future__ import annotations

import time

from devbox import tracer
from devbox.tracer.recorder import MOST_NAMES
from tests.tracer.inside import recording
from tests.traces.reading import Reader

SECOND = 1_000_000_000


def test_a_line_of_a_log_becomes_the_first_span_of_its_trace(reader: Reader) -> None:
    own = tracer.SpanContext(bytes.fromhex("ab" * 16), 0xCD)
    end = time.time_ns()
    with recording(reader):
        tracer.record(
            "GET /", end - SECOND, end, {"status": 502}, kind=tracer.SERVER, own=own, error="HTTP 502"
        )
        with tracer.span("upstream", parent=own):
            pass
    span, below = reader.named("GET /"), reader.named("upstream")
    assert (span.trace_id, span.span_id, span.parent_id) == ("ab" * 16, "00000000000000cd", "")
    assert (below.trace_id, below.parent_id) == (span.trace_id, span.span_id)
    assert (span.operation.kind, span.status, span.message) == ("server", "error", "HTTP 502")
    assert span.attributes == {"status": 502}
    assert span.end - span.start == SECOND
    assert abs(span.end - end) < SECOND // 10


def test_below_a_parent_elsewhere_and_below_the_active_span(reader: Reader) -> None:
    now = time.time_ns()
    elsewhere = tracer.extract({"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    with recording(reader), tracer.span("active"):
        tracer.record("in queue", now, now, parent=elsewhere, kind=tracer.CONSUMER)
        tracer.record("phase", now, now)
    queue, phase, active = (reader.named(name) for name in ("in queue", "phase", "active"))
    assert (queue.trace_id, queue.parent_id) == ("1" * 32, "2" * 16)
    assert (phase.trace_id, phase.parent_id) == (active.trace_id, active.span_id)


def test_more_names_than_sites(reader: Reader) -> None:
    names = [f"GET /user/{number}" for number in range(2 * MOST_NAMES + 10)]
    with recording(reader):
        for name in names:
            tracer.record(name, 0, 1)
    assert sorted(span.operation.name for span in reader.spans()) == sorted(names)


def test_switched_off_nothing_is_kept(reader: Reader) -> None:
    tracer.record("nothing", 0, 1)
    assert reader.spans() == []


def test_a_context_that_cannot_be_stored_is_counted(reader: Reader) -> None:
    with recording(reader):
        tracer.record("good", 0, 1)
        tracer.record("impossible", 0, 1, own=tracer.SpanContext(b"x" * 16, 1 << 64))
        tracer.record("impossible", 0, 1, {"a": 1}, own=tracer.SpanContext(b"x" * 16, 1 << 64))
        tracer.record("good", 0, 1)
    assert [span.operation.name for span in reader.spans()] == ["good", "good"]
    account = reader.account()
    assert (account.stored, account.unwritable, account.created) == (2, 2, 4)


def test_a_span_that_ends_without_having_begun(reader: Reader) -> None:
    with recording(reader):
        tracer.span("slip").end()
    slip = reader.named("slip")
    assert slip.start == slip.end
