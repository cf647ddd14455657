"""The switches, as the threads of a service see them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

from devbox.workload.cache import Cache
from devbox.workload.faults import Faults
from devbox.workload.switches import Board, Fault, Switches

READERS = 6
OLD_ENOUGH = 0.03
"""Seconds after which a board may not go by what it has read before."""


def test_all_threads_see_a_change_at_once(tmp_path: Path) -> None:
    board, other = Board(tmp_path / "switches.json"), Board(tmp_path / "switches.json")
    together = Barrier(READERS)

    def reading() -> float:
        together.wait()
        return sum(fault.value for fault in board.read().faults)

    with ThreadPoolExecutor(READERS) as readers:
        for number in range(1, 100):
            changed = Switches().with_fault(Fault("delay", "here", number))
            other.change(partial(_instead, changed))
            time.sleep(OLD_ENOUGH)
            assert {one.result() for one in [readers.submit(reading) for _ in range(READERS)]} == {number}


def test_what_is_remembered_while_the_cache_is_off_is_used_afterwards_only(tmp_path: Path) -> None:
    board = Board(tmp_path / "switches.json")
    cache = Cache(Faults(board), "Catalogue.price")
    cache.keep("cup", 650)
    assert cache.find("cup") == 650
    board.change(lambda switches: switches.with_fault(Fault("cache-off", "Catalogue.price", 1)))
    cache.keep("tea", 890)
    assert (cache.find("cup"), cache.find("tea")) == (None, None)
    board.change(lambda _: Switches())
    assert (cache.find("cup"), cache.find("tea")) == (650, 890)


def _instead(wanted: Switches, found: Switches) -> Switches:
    return wanted
