"""The hand-written RPC, both ends real, over loopback."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from devbox.workload.contract import Operation, operation
from devbox.workload.failures import DeadlineExceeded, Defect, NotFound, Unavailable
from devbox.workload.roads.desk import Desk
from devbox.workload.roads.frames import CALL, BrokenLink, Frame, Link
from devbox.workload.roads.rpc import RpcRoad, RpcServer


class Slow:
    """A service whose answers the test lets go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started: list[str] = []

    def find(self, user: str) -> dict[str, Any]:
        self.started.append(user)
        if user.startswith("slow"):
            self.gate.wait(10)
        if user == "broken":
            raise ZeroDivisionError("no such thing")
        if user == "nobody":
            raise NotFound("no user nobody")
        return {"user": user}


FIND = operation("users.find")
assert FIND is not None
WANTED: Operation = FIND


@pytest.fixture
def service() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.gate.set()


@pytest.fixture
def server(service: Slow) -> Iterator[RpcServer]:
    """Two workers, so that a third call has to wait."""
    made = RpcServer(Desk("user", {"users.find": service.find}), "127.0.0.1", 0, workers=2)
    threading.Thread(target=made.serve, daemon=True).start()
    yield made
    made.close()


@pytest.fixture
def road(server: RpcServer) -> Iterator[RpcRoad]:
    made = RpcRoad("127.0.0.1", server.port, size=1)
    yield made
    made.close()


def call(road: RpcRoad, user: str, timeout: float = 5.0) -> dict[str, Any]:
    return road.call(WANTED, {"user": user}, {}, timeout)


def test_many_calls_share_a_connection_and_a_slow_one_holds_up_none(road: RpcRoad, service: Slow) -> None:
    with ThreadPoolExecutor(20) as callers:
        slow = callers.submit(call, road, "slow")
        answers = list(callers.map(lambda number: call(road, f"u{number}")["user"], range(200)))
        assert answers == [f"u{number}" for number in range(200)]
        assert not slow.done()
        service.gate.set()
        assert slow.result() == {"user": "slow"}


def test_failures_keep_their_kind(road: RpcRoad) -> None:
    with pytest.raises(NotFound, match="nobody"):
        call(road, "nobody")
    with pytest.raises(Defect, match="ZeroDivisionError"):
        call(road, "broken")


def test_a_call_without_an_answer_ends_at_its_deadline(road: RpcRoad) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        call(road, "slow", timeout=0.2)
    assert time.monotonic() - began >= 0.2


def test_a_cancelled_call_that_waits_for_a_worker_is_never_begun(road: RpcRoad, service: Slow) -> None:
    with ThreadPoolExecutor(3) as callers:
        busy = [callers.submit(call, road, f"slow{number}") for number in range(2)]
        while len(service.started) < 2:
            time.sleep(0.01)
        with pytest.raises(DeadlineExceeded):
            call(road, "late", timeout=0.1)
        service.gate.set()
        assert {one.result()["user"] for one in busy} == {"slow0", "slow1"}
    assert call(road, "after")["user"] == "after"
    assert "late" not in service.started


def test_a_broken_connection_ends_its_calls_and_the_next_call_makes_a_new_one(
    road: RpcRoad, server: RpcServer, service: Slow
) -> None:
    with ThreadPoolExecutor(1) as callers:
        waiting = callers.submit(call, road, "slow")
        while not service.started:
            time.sleep(0.01)
        road.close()
        with pytest.raises(Unavailable):
            waiting.result()
    service.gate.set()
    assert call(road, "u1") == {"user": "u1"}


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(Unavailable):
        call(RpcRoad("127.0.0.1", port), "u1")


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", struct.pack(">I", 1 << 31), struct.pack(">IBQ", 12, 1, 1) + b"no!"]
)
def test_noise_ends_its_own_connection_only(server: RpcServer, road: RpcRoad, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as stranger:
        stranger.sendall(noise)
        stranger.shutdown(socket.SHUT_WR)
        assert stranger.recv(1) == b""
    assert call(road, "u1") == {"user": "u1"}


def test_frames_survive_being_cut_into_pieces() -> None:
    left, right = socket.socketpair()
    data = Frame(CALL, 7, {"text": "ü" * 5000}).encode()
    with left, right:
        link = Link.__new__(Link)
        link._reader = right.makefile("rb")
        threading.Thread(target=_dribble, args=(left, data), daemon=True).start()
        assert link.receive() == Frame(CALL, 7, {"text": "ü" * 5000})
        left.close()
        with pytest.raises(BrokenLink):
            link.receive()
        link._reader.close()


def _dribble(to: socket.socket, data: bytes) -> None:
    for at in range(0, len(data), 997):
        to.sendall(data[at : at + 997])
