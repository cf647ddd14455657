"""An order is paid exactly once and told at least once, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workload import kills
from tests.workload.conftest import running
from tests.workload.shops import Running, eventually


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    """A shop of the test's own."""
    yield from running(tmp_path)


@pytest.mark.parametrize("seed", [1])
def test_killing_at_random_loses_nothing_and_pays_nothing_twice(shop: Running, seed: int) -> None:
    count = kills.run(shop, seed, kills=14)
    assert sum(count.kills.values()) >= 10
    assert count.orders > 20
    assert (count.lost, count.unpaid, count.paid_twice, count.untold, count.untraced) == (0, 0, 0, 0, 0), (
        count
    )


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
