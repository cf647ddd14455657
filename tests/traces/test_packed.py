"""The decoder for what the recorder adds to spans: against the interpreter's own writer, and liars."""

from __future__ import annotations

import marshal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbox.tracer.encode import DROPPED, LONGEST_ALL, pack
from devbox.tracer.layout import ATTRIBUTES, EVENTS
from devbox.traces.packed import unpack

TEXT = st.text(st.characters(codec="utf-8"))
SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(st.dictionaries(TEXT, VALUES))
def test_what_the_interpreter_writes_is_read(value: dict[str, Any]) -> None:
    assert unpack(marshal.dumps(value, 2) + bytes(63)) == value


@given(st.binary(max_size=200), st.dictionaries(TEXT, VALUES, max_size=3), st.data())
def test_no_bytes_do_more_than_raise_value_error(noise: bytes, value: dict[str, Any], data: Any) -> None:
    good = marshal.dumps(value, 2)
    at = data.draw(st.integers(0, len(good)))
    for hostile in (noise, b"{" + noise, good[:at] + noise + good[at:], good[:at]):
        try:
            assert isinstance(unpack(hostile), dict)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"{",
        b"[\0\0\0\0",
        b"{u\xff\xff\xff\x7f",
        b"{u\xff\xff\xff\xff",
        b"{N[\xff\xff\xff\x7f",
        b"{Nl\0\0\0\x80",
        b"{N" * 100_000,
        b"{N" + b"[\1\0\0\0" * 100_000,
        marshal.dumps({"code": (lambda: 0).__code__}, 2),
    ],
)
def test_lies_are_refused(hostile: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(hostile)


def test_bytes_and_lone_surrogates_are_shown() -> None:
    value = {"a": b"\xff ok", "b": "\ud800"}
    assert unpack(marshal.dumps(value, 2)) == {"a": "\\xff ok", "b": "���"}


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Mine(str):
    """A text of a type of its own, as enumerations have."""


def test_what_an_application_calls_an_attribute() -> None:
    circle: list[Any] = []
    circle.append(circle)
    odd = {"mine": Mine("x"), "list": [1, (2, {3})], "type": int, "bytes": memoryview(b"x"), "circle": circle}
    read = unpack(pack({ATTRIBUTES: {**odd, "broken": Broken(), "buffer": bytearray(b"ab")}}))[ATTRIBUTES]
    assert read["mine"] == "x"
    assert read["list"] == [1, [2, ["3"]]]
    assert read["type"] == "<class 'int'>"
    assert read["bytes"].startswith("<memory")
    assert read["buffer"] == "ab"
    assert "Broken object" in read["broken"]
    assert "circle" in read


def test_a_span_is_bounded_and_says_what_it_left_out() -> None:
    added = {ATTRIBUTES: {f"key{number}": "x" * 5000 for number in range(100)}}
    data = pack({**added, EVENTS: [["event", number, {"text": "y" * 100}] for number in range(1000)]})
    assert len(data) <= LONGEST_ALL
    read = unpack(data)
    attributes = read[ATTRIBUTES]
    assert attributes["key0"] == "x" * 4096 + "…"
    assert attributes[DROPPED] == 1100 - (len(attributes) - 1) - len(read[EVENTS])
