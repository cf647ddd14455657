"""The situations of W3C Trace Context, level 2, in our own words: what a service receives, and what it must
do."""

from __future__ import annotations

import pytest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"
MANY = ",".join(f"k{number}=1" for number in range(32))

VALID = [
    pytest.param(GOOD, id="version 00"),
    pytest.param(f"00-{TRACE}-{PARENT}-00", id="not sampled"),
    pytest.param(f"00-{TRACE}-{PARENT}-ff", id="unknown flags"),
    pytest.param(f" {GOOD}", id="space before"),
    pytest.param(f"\t{GOOD}\t", id="tabs around"),
    pytest.param(f"{GOOD} ", id="space after"),
    pytest.param(f"cc-{TRACE}-{PARENT}-01", id="future version"),
    pytest.param(f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like", id="future version with more"),
]
"""Values of a traceparent that is continued."""

INVALID = [
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
]
"""Values of a traceparent after which a new trace begins."""

TRACESTATES = [
    pytest.param(["foo=1,bar=2"], "foo=1,bar=2", id="a list"),
    pytest.param(["foo=1", "bar=2"], "foo=1,bar=2", id="two headers"),
    pytest.param(["foo=1", "", "bar=2"], "foo=1,bar=2", id="an empty header among others"),
    pytest.param([""], None, id="empty"),
    pytest.param(["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3", id="white space"),
    pytest.param(["foo=1,foo=2"], "foo=1", id="the same key twice"),
    pytest.param(["0a_b-c*d/e@v=" + "".join(map(chr, range(0x21, 0x2C)))], ..., id="all characters of a key"),
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
]
"""Lines of tracestate received with a good traceparent, and what is sent on: `...` the same, None nothing."""

OTHER_NAMES = ["trace-parent", "trace.parent", "trace_parent"]
OTHER_STATES = ["trace-state", "trace.state"]
ANY_CASE = ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"]

Fields = tuple[tuple[str, str], ...]


def situations() -> dict[str, tuple[Fields, bool, str]]:
    """Name -> fields received, whether the trace goes on, tracestate sent on ("": none)."""
    found: dict[str, tuple[Fields, bool, str]] = {"nothing": ((), False, "")}
    for case in VALID:
        found[str(case.id)] = ((("traceparent", str(case.values[0])),), True, "")
    for case in INVALID:
        fields = (("traceparent", str(case.values[0])), ("tracestate", "foo=1"))
        found[f"traceparent: {case.id}"] = (fields, False, "")
    for case in TRACESTATES:
        received, sent = case.values
        assert isinstance(received, list)
        lines = tuple(("tracestate", one) for one in received)
        expected = received[0] if sent is ... else sent or ""
        found[f"tracestate: {case.id}"] = ((("traceparent", GOOD), *lines), True, str(expected))
    for name in OTHER_NAMES:
        found[f"name: {name}"] = (((name, GOOD),), False, "")
    for name in OTHER_STATES:
        found[f"name: {name}"] = ((("traceparent", GOOD), (name, "foo=1")), True, "")
    for name in ANY_CASE:
        found[f"name: {name}"] = (((name, GOOD),), True, "")
    found["a tracestate alone"] = ((("tracestate", "foo=1"),), False, "")
    found["two traceparents"] = ((("traceparent", GOOD), ("traceparent", GOOD)), False, "")
    return found
