"""Each pattern is found where it is, and not where it is not; and two sets of traces are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from devbox.traces.analyse import tree
from devbox.traces.compare.analyse import compare
from devbox.traces.model import Span
from devbox.traces.patterns.analyse import findings
from tests.traces.pages import MS, at, order

ROOT = at("shop list", 0, 100, id="1", kind="server")


def calls(count: int, took: float, step: float, **more: object) -> list[Span]:
    """So many calls of the same below the root."""
    given = {"kind": "client", **more}
    return [at("shop SELECT item", n * step, took, "1", id=f"c{n}", **given) for n in range(count)]


def hop(start: float, took: float, inner: float, **more: object) -> list[Span]:
    """A client's call, and the server's side of it in another process."""
    begin = start + (took - inner) / 2
    name = str(more.get("name", "user"))
    return [
        at(f"shop call {name}", start, took, "1", id=f"a{start:.0f}", kind="client"),
        at(f"{name} find", begin, inner, f"a{start:.0f}", id=f"b{start:.0f}", kind="server"),
    ]


def by_row(count: int) -> list[Span]:
    """A function that is called for each row."""
    return [at("shop Orders.get", n * 10, 8, "1", id=f"r{n}") for n in range(count)]


FOUND = {
    "N+1 calls": [
        calls(6, 8, 10),
        calls(40, 2, 2.2),
        # a function per row, and a statement in each, by hand or by a library's hook
        [*by_row(6), *(at("shop SQL SELECT", n * 10, 7, f"r{n}", id=f"s{n}") for n in range(6))],
        [*by_row(6), *(at("shop get", n * 10, 7, f"r{n}", id=f"s{n}", kind="client") for n in range(6))],
    ],
    "retry storm": [  # the last one did not help, and the last one did
        calls(4, 5, 10, status="error"),
        [*calls(3, 5, 10, status="error"), replace(calls(6, 5, 10)[5], span_id="d" * 16)],
    ],
    "convoy": [[at("shop work", n / 10, 20 * (n + 1), "1", id=f"w{n}") for n in range(4)]],
    "serial calls": [[*hop(0, 40, 39), *hop(45, 50, 49, name="stock")]],
    "queue wait": [[
        at("shop send", 1, 1, "1", id="2", kind="producer"),
        at("mail take", 80, 5, "2", id="3", kind="consumer"),
    ]],
    "delayed ACK": [hop(10, 50, 9)],
    "clock skew": [
        [
            at("shop call", 10, 50, "1", id="2", kind="client"),
            at("user find", 70, 40, "2", id="3", kind="server"),
        ],
        [  # it lay in the queue before it was sent
            at("shop send", 60, 1, "1", id="2", kind="producer"),
            at("mail in queue mail", 10, 55, "2", id="3", kind="consumer"),
        ],
    ],
    "missing parent": [[at("user find", 10, 5, "99", id="2")]],
}  # fmt: skip

QUIET = {
    "few calls": calls(3, 8, 10),
    "many that cost nothing": calls(40, 0.01, 2),
    "calls side by side": calls(6, 50, 0.1),
    "one failure": calls(1, 5, 10, status="error"),
    "functions in a loop": [at("shop step", n * 10, 9, "1", id=f"s{n}") for n in range(8)],
    "two calls to one service": [*hop(0, 40, 39), *hop(45, 50, 49)],
    "workers that do not wait for each other": [
        at("shop work", n / 10, 20 + n, "1", id=f"w{n}") for n in range(4)
    ],
    "a message taken at once": [
        at("shop send", 1, 1, "1", id="2", kind="producer"),
        at("mail take", 3, 50, "2", id="3", kind="consumer"),
    ],
    "a slow network": hop(10, 90, 5),
    "a callee that was short of CPU": hop(0, 95, 50),
    "a statement of its own, then a call": [
        at("shop SQL SELECT", 0, 30, "1", id="2"),
        at("shop load", 0, 30, "1", id="3"),
        at("shop SQL SELECT", 0, 29, "3", id="4"),
        *hop(35, 60, 59),
    ],
}


@pytest.mark.parametrize(
    ("kind", "spans"), [pytest.param(kind, one, id=kind) for kind, all_of in FOUND.items() for one in all_of]
)
def test_the_pattern_is_found(kind: str, spans: Sequence[Span]) -> None:
    found = findings(tree([ROOT, *spans]))
    assert [one.kind for one in found] == [kind]
    ids = {span.span_id for span in [ROOT, *spans]}
    assert found[0].spans
    assert set(found[0].spans) <= ids
    assert found[0].advice


@pytest.mark.parametrize("spans", QUIET.values(), ids=QUIET.keys())
def test_nothing_is_said_where_nothing_is(spans: Sequence[Span]) -> None:
    assert findings(tree([ROOT, *spans])) == []


def test_no_spans_no_findings() -> None:
    assert findings([]) == []


def test_what_changed_between_two_sets_of_traces() -> None:
    before = [order(), order()]
    slower = [
        replace(one, end=one.end + 10 * MS) if one.operation.name == "publish" else one for one in order()
    ]
    after = [[one for one in slower if one.operation.name != "SELECT items"]]
    found = compare(before, after)
    assert found.traces == (2, 1)
    rows = {row.path[-1]: row for row in found.differences}
    publish, queries = rows["order publish"], rows["order SELECT items"]
    assert (publish.state, publish.change) == ("same", 10 * MS)
    assert (queries.state, queries.calls, queries.change) == ("gone", (6, 0), -30 * MS)
    assert publish.path == ("gateway POST /orders", "order Orders.place", "order publish")
    assert found.differences[0].path[-1] in ("order SELECT items", "order Orders.place")


def test_nothing_changed() -> None:
    found = compare([order()], [order(), order()])
    assert {(row.state, row.change) for row in found.differences} == {("same", 0)}
