"""What is gRPC's own: the generated code, its messages, taken ports, callees that come and go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from devbox.workload.contract import OPERATIONS, Operation, operation
from devbox.workload.failures import Refused, Unavailable
from devbox.workload.roads import shop_pb2
from devbox.workload.roads.desk import Desk, as_payload
from devbox.workload.roads.grpcroad import GrpcRoad, GrpcServer
from devbox.workload.roads.messages import decode, encode, method_of, path_of
from devbox.workload.services.values import Order, Receipt, User
from tests.workload.brokers import free_port
from tests.workload.shops import eventually

HOST = "127.0.0.1"
SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
FIND = operation("users.find")


def test_the_generated_code_is_what_the_proto_file_says(tmp_path: Path) -> None:
    subprocess.run([SCRIPTS / "generate", tmp_path], check=True, timeout=60, env=os.environ | venv())
    made = (tmp_path / "shop_pb2.py").read_text()
    assert descriptor(made) == descriptor(Path(str(shop_pb2.__file__)).read_text())


def venv() -> dict[str, str]:
    """The environment in which the scripts use the Python that runs this."""
    return {"DEVBOX_VENV": str(Path(sys.executable).parent.parent)}


def descriptor(code: str) -> str:
    """What the generated code is about: its other lines are those of protoc's version."""
    return next(line for line in code.splitlines() if line.startswith("DESCRIPTOR"))


@pytest.mark.parametrize("wanted", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_has_its_method(wanted: Operation) -> None:
    assert path_of(method_of(wanted)).startswith("/devbox.shop.")


ORDER = Order("o1", "u1", "cup", 2, 1300, "declined", "", "too much: ÿ", "4bf9")


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("users.find", User("u1", "Ada", "ada@example.org", "account-1", False)),
        ("payments.charge", Receipt("r1", "o1", "account-1", 1300)),
        ("orders.get", ORDER),
        ("orders.list", [ORDER, ORDER]),
        ("orders.list", []),
        ("orders.products", [{"item": "cup", "price": 650}]),
        ("notifications.get", {"order": "o1", "user": "u1", "text": "paid", "sent": 1.5}),
        ("notifications.order_paid", None),
    ],
)
def test_results_travel_whole(name: str, result: Any) -> None:
    wanted = operation(name)
    assert wanted is not None
    kind = method_of(wanted).output_type
    payload = as_payload(result)
    assert decode(kind, encode(kind, payload)) == payload


def test_an_argument_left_out_stays_left_out() -> None:
    wanted = operation("orders.place")
    assert wanted is not None
    kind = method_of(wanted).input_type
    assert "quantity" not in decode(kind, encode(kind, {"key": "k", "user": "u1", "item": "cup"}))
    assert decode(kind, encode(kind, {"key": "k", "user": "u", "item": "i", "quantity": 0}))["quantity"] == 0


def test_what_does_not_fit_is_refused() -> None:
    assert FIND is not None
    with pytest.raises(Refused, match="UserId"):
        encode(method_of(FIND).input_type, {"user": 7})
    with pytest.raises(Refused, match="UserId"):
        encode(method_of(FIND).input_type, {"usr": "u1"})


def test_a_taken_port_is_said() -> None:
    with socket.create_server((HOST, 0)) as other, pytest.raises(RuntimeError, match="bind"):
        GrpcServer(Desk("user", {}), HOST, other.getsockname()[1])


def test_a_callee_that_dies_in_the_middle_and_comes_back() -> None:
    assert FIND is not None
    port, entered, gate = free_port(), threading.Event(), threading.Event()

    def find(user: str) -> User:
        entered.set()
        gate.wait(20)
        return User(user, "Ada", "ada@example.org", "a")

    desk = Desk("user", {"users.find": find})
    road = GrpcRoad(HOST, port)
    first = serving(desk, port)
    answers: list[BaseException] = []

    def ask() -> None:
        try:
            road.call(FIND, {"user": "u1"}, {}, 20.0)
        except Unavailable as failure:
            answers.append(failure)

    caller = threading.Thread(target=ask)
    caller.start()
    entered.wait(10)
    first.close()
    caller.join(10)
    assert len(answers) == 1
    gate.set()
    second = serving(desk, port)
    assert eventually(lambda: asked(road, FIND)) == asdict(User("u1", "Ada", "ada@example.org", "a"))
    road.close()
    second.close()


def asked(road: GrpcRoad, wanted: Operation) -> dict[str, Any] | None:
    """The answer, if there is one yet."""
    try:
        return road.call(wanted, {"user": "u1"}, {}, 5.0)
    except Unavailable:
        return None


def serving(desk: Desk, port: int) -> GrpcServer:
    """A server on that port."""
    made = GrpcServer(desk, HOST, port)
    threading.Thread(target=made.serve, daemon=True).start()
    return made
