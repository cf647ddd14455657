"""The store: exact sums however traces arrive, searches that find what they should, a bound that holds."""

from __future__ import annotations

import gzip
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbox.adapters.spools import LocalSpools
from devbox.errors import UsageError
from devbox.traces.buckets import bucket, middle, percentile_of, rank_of
from devbox.traces.ingest import collect
from devbox.traces.model import Span
from devbox.traces.query import parse
from devbox.traces.store import Progress, Store
from devbox.traces.tally import Tally
from tests.traces.made import START, process, spans
from tests.traces.reading import ROOT, run
from tests.traces.reference import service_map, slowest

CAPTURED = Path(__file__).parent / "captured"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


@given(st.integers(0, 1 << 62))
def test_a_bucket_stands_for_what_is_in_it(ns: int) -> None:
    assert abs(middle(bucket(ns)) - ns) <= ns * 0.032
    assert bucket(ns) <= bucket(ns + 1)


def test_percentiles_and_ranks_from_buckets() -> None:
    counts = {bucket(ns): 1 for ns in range(20)}
    assert percentile_of(counts, 50) == 9
    assert percentile_of({}, 50) == 0
    assert rank_of(counts, 10) == 50
    assert rank_of({}, 10) == 0


def check_sums(store: Store, expected: list[Span]) -> None:
    """What the store summed up piece by piece is what one look over everything gives."""
    store.settle()
    brute = {row.operation: row for row in slowest(expected)}
    found = {row.operation: row for row in store.functions()}
    assert found.keys() == brute.keys()
    for operation, row in found.items():
        other = brute[operation]
        assert (row.count, row.errors, row.total) == (other.count, other.errors, other.total)
        assert abs(row.p95 - other.p95) <= max(1, other.p95 * 0.032)
    edges = {(one.caller, one.callee, one.road): (one.count, one.errors) for one in store.edges()}
    expected_edges = service_map(expected)
    assert edges == {(one.caller, one.callee, one.road): (one.count, one.errors) for one in expected_edges}


@settings(max_examples=15)
@given(st.integers(0, 1 << 30), st.booleans())
def test_sums_are_the_same_in_whatever_order_and_pieces_spans_arrive(seed: int, twice: bool) -> None:
    rng = random.Random(seed)
    everything = list(spans(seed, 8))
    shuffled = everything + rng.sample(everything, len(everything) // 2 if twice else 0)
    rng.shuffle(shuffled)
    store = Store(Path(f"/tmp/devbox-sums-{os.getpid()}-{seed}.db"))
    try:
        while shuffled:
            piece = [shuffled.pop() for _ in range(min(len(shuffled), rng.randint(1, 20)))]
            store.add(process(), piece)
            if rng.random() < 0.5:
                store.settle()
        check_sums(store, everything)
    finally:
        store.close()
        for left in Path("/tmp").glob(f"devbox-sums-{os.getpid()}-{seed}.db*"):
            left.unlink()


def test_a_store_of_the_version_before_is_brought_along(tmp_path: Path) -> None:
    """Written by devbox as it was then: `spans(11, 40)`, added and settled in two halves."""
    path = tmp_path / "traces.db"
    path.write_bytes(gzip.decompress((CAPTURED / "store-2.db.gz").read_bytes()))
    everything = list(spans(11, 40))
    store = Store(path)
    trends = [row.trend for row in store.functions()]
    check_sums(store, everything)
    assert all(any(trend) == (row.total > 0) for trend, row in zip(trends, store.functions(), strict=True))
    assert any(edge.rate for edge in store.edges())
    more = list(spans(12, 40))
    store.add(process(), more)
    check_sums(store, everything + more)  # and what it has can still be taken back:
    assert store.forget(START + 20_000_000_000) == 40
    check_sums(store, list(store.spans()))
    store.close()


def test_a_store_of_a_version_that_nobody_knows_is_begun_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "traces.db")) as other:
        other.execute("CREATE TABLE span (strange)")
        other.execute("PRAGMA user_version = 99")
    store = Store(tmp_path / "traces.db")
    store.add(process(), list(spans(1, 3)))
    check_sums(store, list(spans(1, 3)))
    store.close()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-3, 3), st.integers(0, 1 << 50))))
def test_a_packed_tally_counts_as_a_dictionary_does(changes: list[tuple[int, int, int]]) -> None:
    expected: dict[int, list[int]] = {}
    packed = b""
    for key, calls, took in changes:
        tally = Tally(2, packed)
        tally.add(key, (calls, took))
        packed = tally.packed()
        one = expected.setdefault(key, [0, 0])
        one[0] += calls
        one[1] += took
        if one[0] <= 0:
            del expected[key]
    found = Tally(2, packed)
    assert {key: list(values) for key, *values in zip(found.keys, *found.columns, strict=True)} == expected
    assert list(found.keys) == sorted(expected)
    assert Tally.of([(key, *expected[key]) for key in sorted(expected)], 2).packed() == packed
    assert list(Tally(2, found.packed(3)).keys) == sorted(expected)[-3:]


def test_a_late_span_re_opens_its_trace(store: Store) -> None:
    everything = list(spans(1, 5))
    late = next(span for span in everything if span.parent_id)
    store.add(process(), [span for span in everything if span is not late])
    store.settle()
    store.add(process(), [late])
    check_sums(store, everything)
    (row,) = (one for one in store.traces() if one.trace_id == late.trace_id)
    assert row.spans == sum(span.trace_id == late.trace_id for span in everything)


def test_what_is_evicted_leaves_the_sums(tmp_path: Path) -> None:
    store = Store(tmp_path / "traces.db", bound=1 << 20)
    everything = list(spans(2, 2500))
    for at in range(0, len(everything), 500):
        store.add(process(), everything[at : at + 500])
        store.settle()
        store.hold_bound()
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= (1 << 20) * 1.2
    left = list(store.spans())
    assert 0 < len(left) < len(everything)
    check_sums(store, left)
    store.close()


def test_where_no_page_is_free_room_is_made_and_sums_are_right(tmp_path: Path) -> None:
    """Nobody holds the bound meanwhile: writing spans and writing sums both find the store full."""
    store = Store(tmp_path / "traces.db", bound=1 << 20)
    full = 0
    for seed in range(60):
        store.add(process(), list(spans(seed, 25)))
        with closing(sqlite3.connect(tmp_path / "traces.db")) as look:
            (free,) = look.execute("PRAGMA freelist_count").fetchone()
            (pages,) = look.execute("PRAGMA page_count").fetchone()
        full += free <= 2 and pages >= (1 << 20) * 3 // 4 // 4096
        store.settle()
    assert full
    check_sums(store, list(store.spans()))
    store.close()


def test_the_fair_share_of_a_quiet_service_and_of_errors(tmp_path: Path) -> None:
    """One service floods: the other's few traces stay, and so do the flood's failures and slowest."""
    store = Store(tmp_path / "traces.db", bound=1 << 20)
    roots = [one for one in spans(3, 9000, 1) if not one.parent_id]
    loud = next(one.operation for one in roots if one.operation.service == "order")
    quiet = next(one.operation for one in roots if one.operation.service == "notify")
    flood = [
        replace(one, operation=loud, status="unset", end=one.start + 1000, attributes={}) for one in roots
    ]
    few = [replace(one, operation=quiet, status="unset") for one in flood[:50]]
    failed = [replace(one, status="error") for one in flood[60:90]]
    slow = [replace(one, end=one.start + 9_000_000_000) for one in flood[100:120]]
    store.add(process(), few + failed + slow)
    for at in range(200, len(flood), 2000):
        store.add(process(), flood[at : at + 2000])
        store.settle()
        store.hold_bound()
    left = {span.trace_id for span in store.spans()}
    for kept in (few, failed, slow):
        assert {span.trace_id for span in kept} <= left
    assert len(left) < len(flood) / 2
    store.close()


def test_what_another_connection_wrote_before_one_looked_is_a_change(store: Store, tmp_path: Path) -> None:
    """OTLP may arrive before the collector has looked for the first time; nobody would settle it."""
    other = Store(tmp_path / "traces.db")
    other.add(process(), list(spans(8, 1)))
    assert [store.changed() for _ in range(2)] == [True, False]
    other.add(process(), list(spans(9, 1)))
    assert [store.changed() for _ in range(2)] == [True, False]
    other.close()


def test_retention_by_age(store: Store) -> None:
    store.add(process(), list(spans(4, 100)))
    store.settle()
    assert store.forget(START + 50_000_000_000) == 50
    check_sums(store, list(store.spans()))
    assert len(store.traces(1000)) == 50


def test_processes_that_ended_are_forgotten_with_their_last_span(store: Store, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    run("with tracer.span('over'): pass", spool)
    collect(LocalSpools(spool), store)
    store.add(process(), list(spans(7, 1)), Progress(process().identity, {"x.meta": 12}))
    assert set(store.accounts()) == {"app", "shop"}
    assert store.forget(time.time_ns() + 10**9) == 2
    assert set(store.accounts()) == {"shop"}  # its spool may go on


QUERIES = [
    "service:order",
    "name:order.a",
    "kind:server name:user",
    "user.id=12",
    "paid=true service=payment",
    "error",
    "error service:user",
    "luck",
    "took>10ms",
    "took<1us",
    "took>5ms took<6ms name:b",
    "trace>40ms",
    "trace<1ms",
    "service:order >> service:user",
    "service:gateway >> service:user >> took>1us",
    "PAYMENT.C",
    "",
    "100%",
]


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("order", ["newest", "slowest"])
def test_searches_find_what_a_look_at_every_span_finds(store: Store, text: str, order: str) -> None:
    everything = list(spans(5, 300))
    store.add(process(), everything)
    store.settle()
    query = parse(text)
    traces: dict[str, list[Span]] = {}
    for span in everything:
        traces.setdefault(span.trace_id, []).append(span)

    def took(one: list[Span]) -> int:
        return max(span.end for span in one) - min(span.start for span in one)

    fitting = {
        name
        for name, found in traces.items()
        if query.fits(found) and query.least <= took(found) <= query.most
    }
    listed = store.traces(1000, query, order)
    assert {row.trace_id for row in listed} == fitting
    assert len(store.traces(3, query, order)) == min(3, len(fitting))
    keys = [row.start if order == "newest" else row.duration for row in listed]
    assert keys == sorted(keys, reverse=True)
    if text not in ("100%",):
        assert fitting


@pytest.mark.parametrize("text", ["a >>", ">> b", "took>soon", 'open "quote', "kind:odd", "trace<-1s"])
def test_a_query_that_makes_no_sense_says_so(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


def test_a_killed_collector_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """It adds and settles in a loop; it is killed; the next one goes over everything again."""
    code = f"""
        from pathlib import Path
        from devbox.traces.store import Progress, Store
        from tests.traces.made import process, spans
        store = Store(Path({str(tmp_path / "traces.db")!r}))
        everything = list(spans(6, 2000))
        print("go", flush=True)
        for at in range(0, len(everything), 50):
            store.add(process(), everything[at : at + 50])
            store.settle()
        print("end", flush=True)
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    everything = list(spans(6, 2000))
    for delay in (0.05, 0.15, 0.3):
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(delay)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        store = Store(tmp_path / "traces.db")
        check_sums(store, list(store.spans()))
        store.close()
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)
    store = Store(tmp_path / "traces.db")
    assert len(list(store.spans())) == len(everything)
    check_sums(store, everything)
    store.close()
