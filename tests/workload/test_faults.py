"""Each fault, switched on while the shop runs, makes its culprit the first of the slowest functions."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devbox.traces.model import Span
from devbox.workload.switchable import KINDS, Kind
from tests.workload.conftest import running
from tests.workload.kills import settled
from tests.workload.patterns import PATTERNS
from tests.workload.shops import Running, eventually
from tests.workload.slowest import slowest

MB = 1_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One shop for all faults; each is switched off again."""
    yield from running(tmp_path_factory.mktemp("faults"))


def customers(shop: Running, each: int, at_once: int = 3) -> set[str]:
    """Some orders and some looks at orders, several at once; their traces."""

    def shopping(number: int) -> set[str]:
        user = f"u{number + 1}"
        answers = [(shop.order(user=user), shop.ask("GET", f"/orders?user={user}")) for _ in range(each)]
        return {answer.trace for pair in answers for answer in pair}

    with ThreadPoolExecutor(at_once) as crowd:
        return set().union(*crowd.map(shopping, range(at_once)))


def suffered(shop: Running, fault: Kind) -> list[Span]:
    """All spans of what customers did while the fault was on."""
    assert shop.ask("POST", "/control/faults", {"name": fault.name}).status == 200
    time.sleep(0.05)  # from now on every process goes by the new switches
    try:
        # Those that strike some calls only must not miss all of them.
        traces = customers(shop, each=8 if fault.name in ("errors", "poison") else 4)
        if fault.name != "payment-down":  # what is down stays so: these orders are settled afterwards
            settled(shop)
    finally:
        shop.ask("DELETE", "/control/faults", {"name": fault.name})
    settled(shop)
    return eventually(lambda: _whole(shop, traces))


def _whole(shop: Running, traces: set[str]) -> list[Span] | None:
    """The spans of these traces, once the gateway's are there too: it reads them from its log."""
    spans = [span for span in shop.spans() if span.trace_id in traces]
    entered = {span.trace_id for span in spans if span.operation.service == "gateway"}
    return spans if entered == traces else None


@pytest.mark.parametrize("fault", KINDS, ids=lambda kind: kind.name)
def test_the_guilty_one_comes_first_and_the_pattern_is_there(shop: Running, fault: Kind) -> None:
    spans = suffered(shop, fault)
    assert slowest(spans)[0][0] == fault.guilty
    assert PATTERNS[fault.name](spans)


def test_a_leak_makes_the_process_grow_until_it_is_switched_off(shop: Running) -> None:
    leak = {"name": "leak", "value": 32}
    shop.order()
    before = _memory(shop, "order")
    shop.ask("POST", "/control/faults", leak)
    eventually(lambda: shop.order() and _memory(shop, "order") > before + 200 * MB)
    shop.ask("DELETE", "/control/faults", leak)
    eventually(lambda: shop.order() and _memory(shop, "order") < before + 100 * MB)


def _memory(shop: Running, service: str) -> int:
    """Bytes of a process that are in memory (proc(5), statm)."""
    statm = Path(f"/proc/{shop.pids()[service]}/statm").read_text()
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
