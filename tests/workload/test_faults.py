"""Each fault, switched on while the shop runs, makes its culprit the first of the slowest functions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from devbox.traces.model import Span
from devbox.workload.switchable import KINDS, Kind
from tests.workload.conftest import running
from tests.workload.kills import settled
from tests.workload.patterns import PATTERNS
from tests.workload.shops import Running, eventually
from tests.workload.slowest import slowest


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One shop for all faults; each is switched off again."""
    yield from running(tmp_path_factory.mktemp("faults"))


def customers(shop: Running, at_once: int = 3, each: int = 4) -> None:
    """Some orders and some looks at orders, several at once."""

    def shopping(number: int) -> None:
        for _ in range(each):
            shop.order(user=f"u{number + 1}")
            shop.ask("GET", f"/orders?user=u{number + 1}")

    with ThreadPoolExecutor(at_once) as crowd:
        list(crowd.map(shopping, range(at_once)))


def suffered(shop: Running, fault: Kind) -> list[Span]:
    """All spans that ended while the fault was on, or soon after."""
    began = time.time_ns()
    assert shop.ask("POST", "/control/faults", {"name": fault.name}).status == 200
    time.sleep(0.05)  # every process has looked at the switches again
    try:
        customers(shop)
        eventually(lambda: _quiet(shop), seconds=30)
    finally:
        shop.ask("DELETE", "/control/faults", {"name": fault.name})
    settled(shop)
    return [span for span in shop.spans() if span.end >= began]


def _quiet(shop: Running) -> bool:
    before = len(shop.spans())
    time.sleep(0.7)
    return len(shop.spans()) == before


@pytest.mark.parametrize("fault", KINDS, ids=lambda kind: kind.name)
def test_the_guilty_one_comes_first_and_the_pattern_is_there(shop: Running, fault: Kind) -> None:
    spans = suffered(shop, fault)
    assert slowest(spans)[0][0] == fault.guilty
    assert PATTERNS[fault.name](spans)
