"""Trees, self times, critical path and map, on traces small enough to reckon by hand."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from devbox.traces.analyse import (
    critical_path,
    critical_steps,
    origins_of_failure,
    self_time,
    tree,
    walk,
)
from devbox.traces.model import Operation, Span
from devbox.traces.render import duration, waterfall
from tests.traces.reference import percentile, service_map, slowest


def made(name: str, start: int, end: int, parent: str = "", **more: str) -> Span:
    """A span whose id is its name."""
    operation = Operation(more.get("service", "shop"), name, more.get("kind", "internal"))
    return Span(more.get("trace", "t"), name, parent, operation, start, end, more.get("status", "unset"))


def test_self_time_is_what_no_child_covers() -> None:
    parent = made("p", 0, 100)
    children = [made("a", 10, 30, "p"), made("b", 20, 50, "p"), made("c", 90, 200, "p")]
    assert self_time(parent, children) == 100 - 40 - 10


def test_a_child_that_runs_later_takes_nothing_away() -> None:
    assert self_time(made("p", 0, 10), [made("consumer", 20, 30, "p")]) == 10


def test_slowest_by_self_time_not_by_duration() -> None:
    spans = [
        made("outer", 0, 100),
        made("inner", 5, 95, "outer", status="error"),
        made("outer2", 0, 20, trace="u"),
    ]
    rows = slowest(spans)
    assert [(row.operation.name, row.total) for row in rows] == [("inner", 90), ("outer2", 20), ("outer", 10)]
    assert (rows[0].count, rows[0].errors, rows[0].slowest) == (1, 1, "t")


def test_same_span_ids_in_two_traces_do_not_meet() -> None:
    spans = [made("p", 0, 10), made("p", 0, 10, trace="u"), made("c", 0, 10, "p", trace="u")]
    row = next(row for row in slowest(spans) if row.operation.name == "p")
    assert (row.count, row.total) == (2, 10)


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([1, 2, 3, 4], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 99) == 7
    assert percentile([], 50) == 0


def test_a_span_whose_parent_is_missing_stands_at_the_top_and_says_so() -> None:
    roots = tree([made("root", 0, 10), made("orphan", 5, 8, "gone")])
    assert [(node.span.span_id, node.missing) for node in roots] == [("root", False), ("orphan", True)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 50), st.integers(0, 50))))
def test_any_parents_even_cycles_show_every_span_once(rows: list[tuple[int, int, int, int]]) -> None:
    spans = [made(str(own), start, start + took, str(parent)) for own, parent, start, took in rows]
    roots = tree(spans)
    assert sorted(node.span.span_id for node in walk(roots)) == sorted({span.span_id for span in spans})
    assert len(waterfall(roots, 80)) == len({span.span_id for span in spans})
    path = critical_path(roots)
    assert len(path) == len({node.span.span_id for node in path})


def test_a_trace_as_deep_as_any_recursion_is_no_problem() -> None:
    spans = [
        made(str(depth), depth, 40000 - depth, str(depth - 1) if depth else "") for depth in range(20000)
    ]
    assert len(critical_path(tree(spans))) == 20000


def test_the_critical_path_takes_what_was_waited_for() -> None:
    spans = [
        made("root", 0, 100),
        made("fast", 5, 30, "root"),
        made("slow", 5, 60, "root"),
        made("inside", 20, 55, "slow"),
        made("last", 60, 95, "root"),
    ]
    assert [node.span.span_id for node in critical_path(tree(spans))] == ["root", "slow", "inside", "last"]


def test_failing_began_where_nothing_below_failed() -> None:
    spans = [
        made("root", 0, 100, status="error"),
        made("call", 5, 30, "root", status="error"),
        made("quiet", 6, 20, "call"),
        made("deep", 7, 15, "quiet", status="error"),
        made("retry", 40, 60, "root", status="error"),
        made("fine", 70, 80, "root"),
    ]
    assert [node.span.span_id for node in origins_of_failure(tree(spans))] == ["deep", "retry"]
    assert origins_of_failure(tree([made("fine", 0, 1)])) == []


def test_the_critical_path_goes_on_behind_a_queue() -> None:
    spans = [
        made("request", 0, 20),
        made("publish", 10, 12, "request", kind="producer"),
        made("consume", 50, 90, "publish", kind="consumer"),
    ]
    assert [node.span.span_id for node in critical_path(tree(spans))] == ["request", "publish", "consume"]


def test_the_steps_of_the_critical_path_say_who_was_waited_for_and_when() -> None:
    spans = [
        made("request", 0, 20),
        made("work", 2, 8, "request"),
        made("publish", 10, 12, "request", kind="producer"),
        made("consume", 50, 90, "publish", kind="consumer"),
        made("write", 60, 70, "consume"),
    ]
    steps = critical_steps(tree(spans))
    assert [(step.node.span.span_id, step.start, step.end, step.waiting) for step in steps] == [
        ("request", 0, 2, False),
        ("work", 2, 8, False),
        ("request", 8, 10, False),
        ("publish", 10, 12, False),
        ("consume", 12, 50, True),
        ("consume", 50, 60, False),
        ("write", 60, 70, False),
        ("consume", 70, 90, False),
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50), st.integers(0, 50)), min_size=1))
def test_the_critical_path_has_neither_gaps_nor_overlaps(rows: list[tuple[int, int, int]]) -> None:
    """From the root's start to the last end that it leads to, whatever clocks say."""
    spans = [
        made(str(own), start, start + took, str(parent) if parent < own else "")
        for own, (parent, start, took) in enumerate(rows)
    ]
    steps = [step for step in critical_steps(tree(spans)) if step.end > step.start]
    assert all(one.end == two.start for one, two in pairwise(steps))


def test_the_map_counts_calls_between_services() -> None:
    spans = [
        made("in", 0, 50, kind="server", service="order"),
        made("call", 5, 40, "in", kind="client", service="order"),
        made("serve", 10, 30, "call", kind="server", service="user", status="error"),
        made("take", 60, 70, "in", kind="consumer", service="notify"),
    ]
    edges = {
        (edge.caller, edge.callee, edge.road): (edge.count, edge.errors, edge.p50)
        for edge in service_map(spans)
    }
    assert edges == {
        ("(outside)", "order", "http"): (1, 0, 50),
        ("order", "user", "http"): (1, 1, 20),
        ("order", "notify", "queue"): (1, 0, 10),
    }


def test_durations_read_well() -> None:
    assert [duration(ns) for ns in (870, 12_345, 4_560_000, 150_000_000, 1_200_000_000)] == [
        "870 ns",
        "12.3 us",
        "4.56 ms",
        "150 ms",
        "1.20 s",
    ]


def test_a_name_cannot_steer_the_terminal() -> None:
    lines = waterfall(tree([made("\x1b[2Jevil\n", 0, 10)]), 80)
    assert "\x1b" not in lines[0].name
    assert "\n" not in lines[0].name
