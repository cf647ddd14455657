"""What every road must do, asked of each real one: equal answers, failures, deadlines, trace headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devbox.workload.contract import MISSING, QUEUES, Operation, Payload, operation
from devbox.workload.failures import DeadlineExceeded, Defect, Failure, NotFound, Refused
from devbox.workload.faults import Calm
from devbox.workload.hops import TRACEPARENT
from devbox.workload.roads import deadline, rest
from devbox.workload.roads.desk import Desk, Headers, Road
from devbox.workload.roads.ways import Ways
from devbox.workload.servers.threads import ThreadServer
from devbox.workload.settings import Place, Settings
from tests.workload.brokers import free_port
from tests.workload.shops import eventually

ROADS = ("rest", "rpc", "grpc", "dubbo", "queue", "redis", "rabbitmq", "kafka")
BROKERS = ("redis", "rabbitmq", "kafka")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def wanted(name: str) -> Operation:
    """The operation of that name."""
    found = operation(name)
    assert found is not None
    return found


class Users:
    """A user service that does as it is told, and notes what it was told."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.left: list[float] = []
        self.came: list[tuple[str, str]] = []

    def find(self, user: str) -> dict[str, Any]:
        if user == "nobody":
            raise NotFound("no user nobody")
        if user == "closed":
            raise Refused("user closed is not active")
        if user == "broken":
            raise ZeroDivisionError("division by zero")
        if user == "slow":
            self.left.append(deadline.remaining(60))
            self.gate.wait(20)
        return {"id": user, "name": "Ada", "email": "ada@example.org", "account": "a-1", "active": True}


class NotingDesk(Desk):
    """A desk that notes over which road a call came, and with which trace."""

    def __init__(self, users: Users) -> None:
        super().__init__("user", {"users.find": users.find})
        self._came = users.came

    def handle(self, road: str, name: str, payload: Payload, headers: Headers) -> Payload:
        self._came.append((road, headers.get(TRACEPARENT, "")))
        return super().handle(road, name, payload, headers)


@contextmanager
def open_roads(settings: Settings, users: Users) -> Iterator[Ways]:
    """All roads of a process that offers `users`."""
    ways = Ways.of(settings, Calm())
    desk = NotingDesk(users)
    http = ThreadServer((settings.listen, settings.places["user"].http), rest.application(desk))
    servers = ways.servers(desk)
    serving = [http.serve_forever, *(server.serve for server in servers)]
    threads = [threading.Thread(target=serve) for serve in serving]
    for thread in threads:
        thread.start()
    try:
        yield ways
    finally:
        users.gate.set()
        http.shutdown()
        http.server_close()
        for server in servers:
            server.close()
        for thread in threads:
            thread.join()
        ways.close()


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Roads on free ports and on the tests' own brokers."""
    brokers = tuple(request.getfixturevalue(f"{name}_url") for name in BROKERS)
    place = Place("127.0.0.1", *(free_port() for _ in range(4)))
    state = tmp_path_factory.mktemp("roads")
    return Settings(state, {"user": place}, "127.0.0.1", brokers=brokers)


@pytest.fixture(scope="module")
def users() -> Users:
    return Users()


@pytest.fixture(scope="module")
def roads(settings: Settings, users: Users) -> Iterator[dict[str, Road]]:
    """The caller's ends."""
    with open_roads(settings, users) as ways:
        made = ways.to("user")
        assert tuple(made) == ways.names()
        yield made
        for road in made.values():
            road.close()


@pytest.fixture(params=ROADS)
def road(request: pytest.FixtureRequest, roads: dict[str, Road]) -> Road:
    if request.param not in roads:
        pytest.skip(f"no {request.param} here: {MISSING[request.param]}")
    return roads[request.param]


def find(road: Road, user: str, timeout: float = 10.0, headers: dict[str, str] | None = None) -> Payload:
    """Ask for a user."""
    return road.call(wanted("users.find"), {"user": user}, headers or {}, timeout)


def test_an_answer_comes_back_whole(road: Road) -> None:
    found = find(road, "u1 & ünï/çødé?")
    assert found == {
        "id": "u1 & ünï/çødé?", "name": "Ada", "email": "ada@example.org", "account": "a-1", "active": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("user", "kind", "words"),
    [
        ("nobody", NotFound, "no user nobody"),
        ("closed", Refused, "not active"),
        ("broken", Defect, "division"),
    ],
)
def test_failures_keep_their_kind_and_words(road: Road, user: str, kind: type[Failure], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        find(road, user)
    assert type(caught.value) is kind


def test_a_deadline_ends_the_call_and_is_known_to_the_callee(road: Road, users: Users) -> None:
    users.gate.clear()
    users.left.clear()
    with pytest.raises(DeadlineExceeded):
        find(road, "slow", timeout=0.5, headers={deadline.HEADER: "0.500"})
    users.gate.set()
    (left,) = eventually(lambda: users.left)
    assert 0 < left <= 0.5


def test_many_callers_at_once_get_their_own_answers(road: Road) -> None:
    names = [f"u{number}" for number in range(60)]
    with ThreadPoolExecutor(12) as callers:
        assert [found["id"] for found in callers.map(lambda name: find(road, name), names)] == names


def test_the_trace_travels(road: Road, roads: dict[str, Road], users: Users) -> None:
    find(road, "u1", headers={TRACEPARENT: TRACE})
    name = next(name for name, one in roads.items() if one is road)
    came, trace = users.came[-1]
    assert (came, trace[:35]) == (name, TRACE[:35])
    # A queue draws the time in it as a bar, and what follows hangs below that.
    assert (trace == TRACE) == (name not in QUEUES)


def test_who_is_not_there_is_no_endless_wait(settings: Settings, tmp_path: Path) -> None:
    nowhere = replace(
        settings,
        state=tmp_path,
        places={"user": Place("127.0.0.1", *(free_port() for _ in range(4)))},
        brokers=(f"redis://127.0.0.1:{free_port()}", f"amqp://guest:guest@127.0.0.1:{free_port()}/"),
    )
    for name, road in Ways.of(nowhere, Calm()).to("user").items():
        with pytest.raises((NotFound, Failure)) as caught:
            find(road, "u1", timeout=1.0)
        expected = "deadline" if name == "queue" else "unavailable"
        assert caught.value.kind == expected, name
        road.close()
