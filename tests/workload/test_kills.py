"""An order is paid exactly once and told at least once, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workload import kills
from tests.workload.brokers import killable, urls
from tests.workload.conftest import running
from tests.workload.shops import Running, eventually


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    """A shop of the test's own."""
    yield from running(tmp_path)


NOTHING_WRONG = (0, 0, 0, 0, 0)


def wrong(count: kills.Count) -> tuple[int, ...]:
    """What must be nothing."""
    return count.lost, count.unpaid, count.paid_twice, count.untold, count.untraced


def test_killing_at_random_loses_nothing_and_pays_nothing_twice(shop: Running) -> None:
    count = kills.run(shop, seed=1, kills=14)
    assert (set(count.kills), sum(count.kills.values())) == (set(kills.VICTIMS), 14)
    assert count.orders > kills.ENOUGH
    assert wrong(count) == NOTHING_WRONG, count


@pytest.mark.timeout(1200)  # it waits for what a busy machine takes its time with
def test_killing_brokers_and_the_database_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with killable(tmp_path) as brokers:
        monkeypatch.setenv("SHOP_BROKERS", urls(brokers))
        monkeypatch.setenv("SHOP_DATABASE", brokers["postgres"].url)
        for shop in running(tmp_path / "shop"):
            count = kills.run(shop, seed=3, kills=12, brokers=brokers)
    assert set(count.kills) == {*kills.VICTIMS, "redis", "rabbitmq", "postgres"}
    assert wrong(count) == NOTHING_WRONG, count


def test_an_order_taken_while_payment_is_away_is_paid_when_it_is_back(shop: Running) -> None:
    edge = {"edge": "order>payment", "road": "rest"}
    shop.ask("POST", "/control/roads", edge)
    shop.ask("POST", "/control/faults", {"name": "errors", "at": "Payments.charge", "value": 1})
    placed = shop.order()
    assert (placed.status, placed.body["state"]) == (200, "new")
    shop.ask("DELETE", "/control/faults", {})
    paid = eventually(lambda: _paid(shop, placed.body["id"]))
    assert paid["receipt"]
    spans = shop.whole_trace(placed.trace)
    assert "resume order" in {span.operation.name for span in spans}


def _paid(shop: Running, order: str) -> dict[str, str] | None:
    found = shop.ask("GET", f"/orders/{order}").body
    return found if found["state"] == "paid" else None
