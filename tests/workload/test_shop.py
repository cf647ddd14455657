"""The shop as its customers and its watchers see it: real processes, real nginx, real spools."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest

from devbox.traces.model import Span
from devbox.workload.contract import EDGES as USUAL
from devbox.workload.contract import MISSING
from tests.workload.conftest import running
from tests.workload.shops import Answer, Running, eventually


def test_an_order_is_paid_and_the_customer_is_told(shop: Running) -> None:
    placed = shop.order(user="u3", item="teapot", quantity=2)
    assert placed.status == 200
    assert (placed.body["state"], placed.body["amount"]) == ("paid", 4800)
    order = placed.body["id"]
    assert shop.ask("GET", f"/payments/{order}").body["id"] == placed.body["receipt"]
    letter = eventually(lambda: _ok(shop, f"/notifications/{order}"))
    assert "48.00" in letter["text"]
    assert shop.ask("GET", f"/orders/{order}").body["state"] == "paid"


def _ok(shop: Running, path: str) -> dict[str, str] | None:
    answer = shop.ask("GET", path)
    return answer.body if answer.status == 200 else None


def test_one_trace_holds_every_hop_and_every_function(shop: Running) -> None:
    placed = shop.order()
    spans = shop.whole_trace(placed.trace)
    assert {span.operation.service for span in spans} == {"gateway", "order", "user", "payment", "notify"}
    hops = [(s.operation.service, s.operation.name) for s in spans if s.operation.kind != "internal"]
    assert hops == [
        ("gateway", "POST /orders"),
        ("order", "rest orders.place"),
        ("order", "rest users.find"),
        ("user", "rest users.find"),
        ("order", "rpc payments.charge"),
        ("payment", "rpc payments.charge"),
        ("order", "queue notifications.order_paid"),
        ("notify", "in queue notify"),
        ("notify", "queue notifications.order_paid"),
    ]
    functions = {span.operation.name for span in spans}
    assert functions >= {"Orders.place", "Catalogue.price", "Users.find", "Payments.charge"}
    assert functions >= {"Payments._assess_risk", "Notifications.order_paid", "Notifications._deliver"}
    assert placed.body["trace"] == placed.trace


def test_every_span_hangs_below_the_gateways(shop: Running) -> None:
    spans = shop.whole_trace(shop.order().trace)
    ids = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in ids]
    assert [span.operation.service for span in roots] == ["gateway"]
    gateway = roots[0]
    place = next(span for span in spans if span.operation.name == "rest orders.place")
    assert gateway.start <= place.start
    assert gateway.end >= place.end


def test_the_time_in_the_queue_is_a_bar_between_sender_and_worker(shop: Running) -> None:
    spans = shop.whole_trace(shop.order().trace)
    sent, waited, worked = (
        next(s for s in spans if (s.operation.name, s.operation.kind) == wanted)
        for wanted in [
            ("queue notifications.order_paid", "producer"),
            ("in queue notify", "consumer"),
            ("queue notifications.order_paid", "consumer"),
        ]
    )
    assert waited.parent_id == sent.span_id
    assert worked.parent_id == waited.span_id
    assert sent.start <= waited.start <= waited.end <= worked.start + 1_000_000


def test_a_callers_trace_is_continued(shop: Running) -> None:
    trace, caller = uuid.uuid4().hex, "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace}-{caller}-01"}
    assert shop.ask("GET", "/users/u1", headers=headers).trace == trace
    spans = eventually(lambda: _with_gateway(shop, trace))
    assert spans[0].parent_id == caller


def _with_gateway(shop: Running, trace: str) -> list[Span] | None:
    spans = shop.spans(trace)
    return spans if any(span.operation.service == "gateway" for span in spans) else None


@pytest.mark.parametrize("road", ["rest", "rpc", "grpc", "dubbo", "queue", "redis", "rabbitmq", "kafka"])
def test_every_road_carries_every_edge_and_its_trace(
    shop: Running, road: str, request: pytest.FixtureRequest
) -> None:
    if road not in shop.ask("GET", "/control").body["ways"]:
        pytest.skip(f"no {road} here: {MISSING[road]}")
    for edge in USUAL:
        request.addfinalizer(partial(take, shop, edge, USUAL[edge]))
        take(shop, edge, road)
    placed = eventually(lambda: paid(shop), seconds=40)  # a group of Kafka's comes together in its own time
    spans = shop.whole_trace(placed.trace)
    for operation, service in [("users.find", "user"), ("payments.charge", "payment"),
                               ("notifications.order_paid", "notify")]:  # fmt: skip
        ends = {s.operation.service for s in spans if s.operation.name == f"{road} {operation}"}
        assert ends == {"order", service}


def take(shop: Running, edge: str, road: str) -> None:
    """Let an edge take a road."""
    assert shop.ask("POST", "/control/roads", {"edge": edge, "road": road}).status == 200


def paid(shop: Running) -> Answer | None:
    """An order that was paid at once, if it was."""
    placed = shop.order()
    return placed if placed.body.get("state") == "paid" else None


def test_the_same_order_sent_twice_is_one_order(shop: Running) -> None:
    key = uuid.uuid4().hex
    first, second = shop.order(key=key), shop.order(key=key)
    assert first.body["id"] == second.body["id"]


@pytest.mark.parametrize(
    ("user", "item", "quantity", "status", "why"),
    [
        ("u1", "sword", 1, 404, "does not sell"),
        ("u1", "cup", 0, 422, "quantity"),
        ("nobody", "cup", 1, 404, "no user"),
        ("u50", "cup", 1, 422, "not active"),
    ],
)
def test_what_cannot_be_ordered_is_refused_with_a_reason(
    shop: Running, user: str, item: str, quantity: int, status: int, why: str
) -> None:
    answer = shop.order(user, item, quantity)
    assert answer.status == status
    assert why in answer.body["error"]["message"]


def test_nonsense_is_an_answer_not_a_defect(shop: Running) -> None:
    assert shop.ask("GET", "/orders/none").status == 404
    assert shop.ask("GET", "/orders/a/b").status == 404
    assert shop.ask("POST", "/orders", {"user": "u1"}).status == 422
    assert shop.ask("POST", "/orders", ["no", "object"]).status == 422


def test_the_page_is_there(shop: Running) -> None:
    page = shop.ask("GET", "/")
    assert page.status == 200
    assert "Place the order" in page.body


def test_another_sites_page_cannot_throw_switches(shop: Running) -> None:
    form = {"Content-Type": "text/plain"}
    assert shop.ask("POST", "/control/faults", {"name": "delay"}, form).status == 422
    assert shop.ask("GET", "/control").body["faults"] == []


def test_unknown_switches_are_named(shop: Running) -> None:
    for path, body, word in [
        ("/control/faults", {"name": "meteor"}, "delay"),
        ("/control/roads", {"edge": "order>moon", "road": "rest"}, "order>user"),
        ("/control/roads", {"edge": "order>user", "road": "pigeon"}, "queue"),
    ]:
        answer = shop.ask("POST", path, body)
        assert answer.status == 404
        assert word in answer.body["error"]["message"]


def test_the_same_in_postgresql(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE", postgres_url)
    for shop in running(tmp_path):
        placed = shop.order(user="u3")
        spans = shop.whole_trace(placed.trace)
        assert {"SQL INSERT orders", "SQL INSERT payments", "SQL COMMIT"} <= {s.operation.name for s in spans}
        assert shop.ask("GET", f"/payments/{placed.body['id']}").body["id"] == placed.body["receipt"]
        assert shop.ask("GET", f"/notifications/{placed.body['id']}").status == 200
        latest = shop.ask("GET", "/orders?user=u3").body["items"]
        assert [one["id"] for one in latest] == [placed.body["id"]]
        assert len(shop.ask("GET", "/users").body["items"]) == 49
        assert not (shop.shop.state / "order.db").exists()


def test_another_queue_instead_of_the_file(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_QUEUE", f"{redis_url}/1")  # another shop has number 0
    for shop in running(tmp_path):
        shop.ask("POST", "/control/roads", {"edge": "order>payment", "road": "queue"})
        placed = shop.order()
        assert placed.body["state"] == "paid"
        names = [span.operation.name for span in shop.whole_trace(placed.trace)]
        assert {"in queue payment", "in queue notify"} <= set(names)
        assert not (shop.shop.state / "queue.db").exists()


def test_the_command_line_loads_it_and_writes_the_report(shop: Running, tmp_path: Path) -> None:
    report = tmp_path / "load.html"
    words = ["--url", shop.shop.gateway, "--rate", "20", "--seconds", "1", "--report", str(report), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "devbox", "workload", "load", *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    data = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert data["ok"] == data["planned"] > 5
    assert set(data["latency_seconds"]) == {"p50", "p90", "p95", "p99", "p99.9"}
    assert f"devbox trace show {data['slowest_trace']}" in report.read_text()
