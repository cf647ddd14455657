"""W3C Trace Context level 2 and Baggage: what we accept, refuse, and pass on."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbox import tracer
from tests.tracer.inside import recording
from tests.tracer.situations import (
    ANY_CASE,
    GOOD,
    INVALID,
    OTHER_NAMES,
    OTHER_STATES,
    PARENT,
    TRACE,
    TRACESTATES,
    VALID,
)
from tests.traces.reading import ROOT, Reader


def passed_on(reader: Reader, *fields: tuple[str, str]) -> dict[str, str]:
    """What a service sends to the next one after it received `fields`."""
    carrier: dict[str, str] = {}
    with recording(reader), tracer.span("server", kind=tracer.SERVER, parent=tracer.extract(fields)):
        tracer.inject(carrier)
    return carrier


def continued(reader: Reader, *fields: tuple[str, str]) -> bool:
    """Whether the caller's trace went on; what is sent is well-formed in any case."""
    sent = passed_on(reader, *fields)["traceparent"]
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-03", sent)
    assert found
    assert found[2] not in ("0" * 16, PARENT)
    assert found[1] != "0" * 32
    return found[1] == TRACE


@pytest.mark.parametrize("value", VALID)
def test_a_valid_traceparent_is_continued(reader: Reader, value: str) -> None:
    assert continued(reader, ("traceparent", value))


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_traceparent_begins_a_new_trace(reader: Reader, value: str) -> None:
    assert not continued(reader, ("traceparent", value), ("tracestate", "foo=1"))
    assert "tracestate" not in passed_on(reader, ("traceparent", value), ("tracestate", "foo=1"))


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_names_are_not_the_field(reader: Reader, name: str) -> None:
    assert not continued(reader, (name, GOOD))


@pytest.mark.parametrize("name", ANY_CASE)
def test_names_come_in_any_case(reader: Reader, name: str) -> None:
    assert continued(reader, (name, GOOD))


def test_two_traceparents_are_none(reader: Reader) -> None:
    assert not continued(reader, ("traceparent", GOOD), ("traceparent", GOOD))
    assert not continued(reader, ("traceparent", f"{GOOD},{GOOD}"))


def test_nothing_received_begins_a_trace(reader: Reader) -> None:
    assert not continued(reader)
    assert "tracestate" not in passed_on(reader)


def test_a_tracestate_alone_is_dropped(reader: Reader) -> None:
    assert "tracestate" not in passed_on(reader, ("tracestate", "foo=1"))


def test_each_request_gets_an_id_of_its_own(reader: Reader) -> None:
    sent = {passed_on(reader, ("traceparent", GOOD))["traceparent"] for _ in range(3)}
    assert len(sent) == 3


@pytest.mark.parametrize(("received", "sent"), TRACESTATES)
def test_tracestate(reader: Reader, received: list[str], sent: object) -> None:
    fields = [("tracestate", one) for one in received]
    found = passed_on(reader, ("traceparent", GOOD), *fields)
    assert found["traceparent"].startswith(f"00-{TRACE}-")
    assert found.get("tracestate") == (received[0] if sent is ... else sent)


@pytest.mark.parametrize("name", OTHER_STATES)
def test_other_names_are_not_the_tracestate(reader: Reader, name: str) -> None:
    assert "tracestate" not in passed_on(reader, ("traceparent", GOOD), (name, "foo=1"))


def test_baggage_travels_with_any_characters(reader: Reader) -> None:
    with (
        recording(reader),
        tracer.attached(tracer.extract([(b"baggage", b"user=al%20ice;meta, id = 7 ,bad")])),
    ):
        assert tracer.baggage() == {"user": "al ice", "id": "7"}
        tracer.set_baggage("note", "caf\u00e9, 100%")
        carrier: dict[str, str] = {}
        tracer.inject(carrier)
    assert carrier["baggage"] == "user=al%20ice,id=7,note=caf%C3%A9%2C%20100%25"
    assert dict(tracer.extract(carrier).baggage)["note"] == "caf\u00e9, 100%"
    assert tracer.baggage() == {}


def test_baggage_beyond_the_bounds_is_left_out() -> None:
    assert tracer.extract({"baggage": "a=" + "x" * 9000}).baggage == ()
    assert len(tracer.extract({"baggage": ",".join(f"k{n}=1" for n in range(100))}).baggage) == 64


@given(st.text(), st.text(), st.text())
def test_no_content_makes_extract_fail(parent: str, state: str, baggage: str) -> None:
    found = tracer.extract({"traceparent": parent, "tracestate": state, "baggage": baggage})
    assert isinstance(found.tracestate, str)


def test_a_service_that_is_not_traced_passes_the_context_on() -> None:
    carrier: dict[str, str] = {}
    with tracer.span("off", parent=tracer.extract({"traceparent": GOOD, "tracestate": "a=1"})):
        tracer.inject(carrier)
    assert carrier == {"traceparent": f"00-{TRACE}-{PARENT}-03", "tracestate": "a=1"}


def test_a_child_process_continues_the_trace(reader: Reader) -> None:
    code = "from devbox import tracer; tracer.configure('child')\nwith tracer.span('in the child'): pass"
    with recording(reader), tracer.span("starts it"):
        env = tracer.child_environment()
        env["DEVBOX_TRACE_SPOOL"] = str(reader.spool)
        subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True)
    child, parent = reader.named("in the child"), reader.named("starts it")
    assert (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)
    assert child.operation.service == "child"
