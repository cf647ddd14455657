"""Spans out: to a real HTTP endpoint that is slow, busy, away, or unwilling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.errors import UsageError
from devbox.traces.otlp import forward
from devbox.traces.otlp.forward import Forwarder, endpoint
from devbox.traces.otlp.intake import Intake
from devbox.traces.store import Store
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.model import Refused, Request, Response, Route
from devbox.web.server import Site, serving
from tests.traces.made import spans
from tests.traces.pages import order


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "traces.db")
    yield made
    made.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def site(*routes: Route) -> Site:
    return Site(routes, Guard.of("127.0.0.1"), Channel())


def test_everything_arrives_and_stays_what_it_is(store: Store) -> None:
    many = [*order(), *spans(1, 500)]
    with serving(site(Intake(store).route()), 0) as url:
        forwarder = Forwarder(url, lambda text: None)
        forwarder.start()
        for at in range(0, len(many), 300):
            forwarder.offer(many[at : at + 300])
        forwarder.stop()
    assert forwarder.lost == 0

    def essence(one: object) -> str:
        return f"{one.trace_id} {one.span_id} {one.operation} {one.start} {one.end}"  # type: ignore[attr-defined]

    assert sorted(map(essence, store.spans())) == sorted(map(essence, many))


def test_a_busy_endpoint_is_asked_again(store: Store) -> None:
    intake, asked = Intake(store), 0

    def busy(request: Request) -> Response:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise Refused(429, "busy", **{"Retry-After": "0"})
        return intake.answer(request)

    said: list[str] = []
    with serving(site(Route("POST", "/v1/traces", busy)), 0) as url:
        forwarder = Forwarder(url, said.append)
        forwarder.start()
        forwarder.offer(order())
        until(lambda: asked >= 3 and len(list(store.spans())) == len(order()))
        forwarder.stop()
    assert (forwarder.lost, said[-1]) == (0, "")
    assert "answers 429" in said[0]


def test_what_is_refused_for_good_is_counted_and_said() -> None:
    def unwilling(request: Request) -> Response:
        raise Refused(400, "no")

    said: list[str] = []
    with serving(site(Route("POST", "/v1/traces", unwilling)), 0) as url:
        forwarder = Forwarder(url, said.append)
        forwarder.start()
        forwarder.offer(order())
        until(lambda: forwarder.lost == len(order()))
        forwarder.stop()
    assert "refused 12 spans: 400" in said[-1]


def test_an_endpoint_that_is_away_costs_the_oldest_and_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "MOST_WAITING", 100)
    said = threading.Event()
    forwarder = Forwarder("http://127.0.0.1:1", lambda text: said.set())
    forwarder.start()
    forwarder.offer(list(spans(2, 100)))
    assert said.wait(30)
    for seed in range(5):
        forwarder.offer(list(spans(seed, 100)))
    forwarder.stop()
    assert forwarder.lost > 400


def test_where_to_send_to() -> None:
    assert endpoint("http://jaeger:4318") == "http://jaeger:4318/v1/traces"
    assert endpoint("https://x/otlp/v1/traces") == "https://x/otlp/v1/traces"
    with pytest.raises(UsageError):
        endpoint("jaeger:4318")
