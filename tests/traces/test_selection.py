"""Questions about some of the traces: their slowest functions, and who stood in line with whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devbox.traces import selection
from devbox.traces.inspection import inspected
from devbox.traces.model import Process
from devbox.traces.query import parse
from devbox.traces.store import Store
from tests.traces.made import process, spans
from tests.traces.pages import at
from tests.traces.reference import slowest


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


@pytest.mark.parametrize("text", ["error", "service:payment", "user.id=12", "took>10ms", "a >> b", ""])
def test_the_functions_of_the_traces_that_fit(store: Store, text: str) -> None:
    everything = list(spans(5, 60))
    store.add(process(), everything)
    store.settle()
    query = parse(text)
    by_trace = {
        one.trace_id: [span for span in everything if span.trace_id == one.trace_id] for one in everything
    }
    fitting = [found for found in by_trace.values() if query.fits(found)]
    expected = slowest([span for found in fitting for span in found])
    found = store.functions_among(query)
    assert (found.traces, found.is_part) == (len(fitting), False)
    assert [(row.operation, row.count, row.errors, row.total) for row in found.functions] == [
        (row.operation, row.count, row.errors, row.total) for row in expected
    ]
    for row, other in zip(found.functions, expected, strict=True):
        assert abs(row.p95 - other.p95) <= max(1, other.p95 * 0.032)
        assert row.slowest in by_trace


def test_more_traces_than_can_be_added_up_are_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_ADDED", 10)
    store.add(process(), list(spans(6, 30)))
    store.settle()
    found = store.functions_among(parse(""))
    assert (found.traces, found.is_part) == (10, True)
    newest = {one.trace_id for one in store.traces(10)}
    assert {row.slowest for row in found.functions} <= newest


def test_a_trace_whose_root_is_not_seen_is_called_by_what_was(store: Store) -> None:
    store.add(process(), [at("order place", 0, 5, "9", id="1"), at("order pay", 1, 2, "1", id="2")])
    (row,) = store.traces()
    assert (row.name, row.service) == ("place (root not seen)", "order")


def requests(store: Store, took: list[tuple[float, float]], service: str = "shop") -> None:
    """So many requests in traces of their own, each (start, took) in ms in the same function."""
    owner = Process(f"process-of-{service}", service, {})
    for number, (start, long) in enumerate(took, 1):
        trace = f"{number:032x}"
        root = at(f"{service} POST", start, long + 1, trace=trace, id="1", kind="server")
        store.add(owner, [root, at(f"{service} book", start, long, "1", trace=trace, id=f"{number}2")])


def convoys(store: Store, number: int) -> list[str]:
    found = inspected(list(store.spans(f"{number:032x}")), store.beside).findings
    return [one.text for one in found if one.kind == "convoy"]


def test_requests_that_stand_in_line_for_the_same_lock(store: Store) -> None:
    """Each holds it for 50 ms; they come faster than that."""
    requests(store, [(n * 10, 50 * (n + 1) - n * 10) for n in range(6)])
    assert convoys(store, 1) == []  # it did not wait
    (text,) = convoys(store, 6)
    assert text == (
        "book took 250 ms, for it stood in line: 5 requests were let through one after the other, 50 ms apart"
    )
    alone = inspected(list(store.spans(f"{6:032x}"))).findings
    assert alone == []  # no single trace shows it


def test_a_line_that_is_long_already(store: Store) -> None:
    """All wait for about as long; they came as it happened, and go one every 50 ms."""
    came = [3, 21, 90, 145, 160, 232, 260, 330, 390, 401, 470]
    requests(store, [(start, 400 + 50 * n - start) for n, start in enumerate(came)])
    assert "9 requests were let through one after the other, 50 ms apart" in convoys(store, 11)[0]


@pytest.mark.parametrize(
    "took",
    [
        pytest.param([(n * 50, 400) for n in range(20)], id="they come and go at even steps"),
        pytest.param(
            [(start, 400) for start in (3, 21, 90, 145, 160, 232, 260, 330)], id="they come as it happens"
        ),
        pytest.param([(n * 10, 200) for n in range(30)], id="each waits for itself"),
        pytest.param([(0, 20), (0, 200), (0, 210), (0, 220)], id="they end together"),
        pytest.param([(0, 2), (1, 2), (2, 2), (0, 300)], id="the line does not explain it"),
        pytest.param([(n * 60, 50) for n in range(6)], id="one at a time"),
    ],
)
def test_slow_requests_that_do_not_stand_in_line(store: Store, took: list[tuple[float, float]]) -> None:
    requests(store, took)
    assert [convoys(store, number) for number in range(1, len(took) + 1)] == [[]] * len(took)


def test_calls_of_another_process_are_not_in_line(store: Store) -> None:
    requests(store, [(n * 10, 50 * (n + 1) - n * 10) for n in range(5)])
    other = Process("another", "shop", {})
    late = [replace(one, process="another") for one in [at("shop book", 50, 250, trace=f"{9:032x}", id="9")]]
    store.add(other, late)
    assert convoys(store, 9) == []
