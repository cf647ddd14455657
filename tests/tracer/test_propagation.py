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
from tests.traces.reading import ROOT, Reader

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


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


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(GOOD, id="version 00"),
        pytest.param(f"00-{TRACE}-{PARENT}-00", id="not sampled"),
        pytest.param(f"00-{TRACE}-{PARENT}-ff", id="unknown flags"),
        pytest.param(f" {GOOD}", id="space before"),
        pytest.param(f"\t{GOOD}\t", id="tabs around"),
        pytest.param(f"{GOOD} ", id="space after"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01", id="future version"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", id="future version with more"),
    ],
)
def test_a_valid_traceparent_is_continued(reader: Reader, value: str) -> None:
    assert continued(reader, ("traceparent", value))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(f"00-{TRACE}-{PARENT}-01.", id="version 00 with a dot behind"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-what-the-future", id="version 00 with more"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01.what-the-future", id="future version with a dot"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", id="version ff"),
        pytest.param(f".0-{TRACE}-{PARENT}-01", id="version with a dot"),
        pytest.param(f"0.-{TRACE}-{PARENT}-01", id="version with a dot, second"),
        pytest.param(f"000-{TRACE}-{PARENT}-01", id="version too long"),
        pytest.param(f"0000-{TRACE}-{PARENT}-01", id="version far too long"),
        pytest.param(f"0-{TRACE}-{PARENT}-01", id="version too short"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", id="trace id of zeros"),
        pytest.param(f"00-.{TRACE[1:]}-{PARENT}-01", id="trace id with a dot"),
        pytest.param(f"00-{TRACE[:-1]}.-{PARENT}-01", id="trace id with a dot at its end"),
        pytest.param(f"00-{TRACE.upper()}-{PARENT}-01", id="trace id in capitals"),
        pytest.param(f"00-{TRACE}00-{PARENT}-01", id="trace id too long"),
        pytest.param(f"00-{TRACE[2:]}-{PARENT}-01", id="trace id too short"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="parent id of zeros"),
        pytest.param(f"00-{TRACE}-.{PARENT[1:]}-01", id="parent id with a dot"),
        pytest.param(f"00-{TRACE}-{PARENT}00-01", id="parent id too long"),
        pytest.param(f"00-{TRACE}-{PARENT[2:]}-01", id="parent id too short"),
        pytest.param(f"00-{TRACE}-{PARENT}-.0", id="flags with a dot"),
        pytest.param(f"00-{TRACE}-{PARENT}-0.", id="flags with a dot at their end"),
        pytest.param(f"00-{TRACE}-{PARENT}-001", id="flags too long"),
        pytest.param(f"00-{TRACE}-{PARENT}-1", id="flags too short"),
        pytest.param(GOOD.replace("-", "_"), id="other separators"),
    ],
)
def test_an_invalid_traceparent_begins_a_new_trace(reader: Reader, value: str) -> None:
    assert not continued(reader, ("traceparent", value), ("tracestate", "foo=1"))
    assert "tracestate" not in passed_on(reader, ("traceparent", value), ("tracestate", "foo=1"))


@pytest.mark.parametrize("name", ["trace-parent", "trace.parent", "trace_parent"])
def test_other_names_are_not_the_field(reader: Reader, name: str) -> None:
    assert not continued(reader, (name, GOOD))


@pytest.mark.parametrize("name", ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"])
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


MANY = ",".join(f"k{number}=1" for number in range(32))


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        pytest.param(["foo=1,bar=2"], "foo=1,bar=2", id="a list"),
        pytest.param(["foo=1", "bar=2"], "foo=1,bar=2", id="two headers"),
        pytest.param(["foo=1", "", "bar=2"], "foo=1,bar=2", id="an empty header among others"),
        pytest.param([""], None, id="empty"),
        pytest.param(["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3", id="white space"),
        pytest.param(["foo=1,foo=2"], "foo=1", id="the same key twice"),
        pytest.param(
            ["0a_b-c*d/e@v=" + "".join(map(chr, range(0x21, 0x2C)))], ..., id="all characters of a key"
        ),
        pytest.param([MANY], MANY, id="32 members"),
        pytest.param([MANY + ",more=1"], None, id="33 members"),
        pytest.param(["k" * 256 + "=1"], ..., id="longest key"),
        pytest.param(["k" * 257 + "=1"], None, id="key too long"),
        pytest.param(["t" * 241 + "@v=1"], ..., id="longest tenant"),
        pytest.param(["t" * 242 + "@v=1"], None, id="tenant too long"),
        pytest.param(["t@" + "v" * 14 + "=1"], ..., id="longest vendor"),
        pytest.param(["t@" + "v" * 15 + "=1"], None, id="vendor too long"),
        pytest.param(["foo =1"], None, id="space in a key"),
        pytest.param(["FOO=1"], None, id="capitals in a key"),
        pytest.param(["foo.bar=1"], None, id="dot in a key"),
        pytest.param(["foo@=1"], None, id="no vendor"),
        pytest.param(["@foo=1"], None, id="no tenant"),
        pytest.param(["foo@@bar=1"], None, id="two signs"),
        pytest.param(["foo@bar@baz=1"], None, id="two vendors"),
        pytest.param(["foo=bar=baz"], None, id="equals in a value"),
        pytest.param(["foo=,bar=3"], None, id="no value"),
        pytest.param(["foo"], None, id="no equals"),
        pytest.param(["foo=\u00e9"], None, id="not ASCII"),
    ],
)
def test_tracestate(reader: Reader, received: list[str], sent: object) -> None:
    fields = [("tracestate", one) for one in received]
    found = passed_on(reader, ("traceparent", GOOD), *fields)
    assert found["traceparent"].startswith(f"00-{TRACE}-")
    assert found.get("tracestate") == (received[0] if sent is ... else sent)


@pytest.mark.parametrize("name", ["trace-state", "trace.state"])
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
