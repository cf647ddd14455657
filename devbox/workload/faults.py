"""Faults on switches: what the shop can be made to suffer while it runs.

A fault strikes at a place. Functions of the services are places by their name (see `watch`); stores, roads
and queues ask for theirs by the names in `switchable.KINDS`.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol

from devbox.workload.failures import Defect, Unavailable
from devbox.workload.switches import Board

Given = Mapping[str, Any]
"""The arguments of the call that is struck, by name."""

_NOTHING: Given = MappingProxyType({})


class Trouble(Protocol):
    """Who may be in trouble at a place."""

    def level(self, name: str, where: str) -> float:
        """How hard the fault of this name is on at this place; 0 when it is off."""
        ...

    def strike(self, where: str, thing: Any = None, given: Given = _NOTHING) -> None:
        """Suffer whatever is on at this place, before its own work begins."""
        ...


class Calm:
    """No trouble, ever."""

    def level(self, name: str, where: str) -> float:
        """Nothing is on."""
        return 0.0

    def strike(self, where: str, thing: Any = None, given: Given = _NOTHING) -> None:
        """Nothing happens."""


@dataclass(slots=True)
class Damage:
    """What faults hold on to inside one process."""

    lock: Lock = field(default_factory=Lock)
    leaked: list[bytearray] = field(default_factory=list)


Strike = Callable[[float, Damage, Any, Given], None]


class Faults:
    """The trouble that the board says."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._damage = Damage()

    def level(self, name: str, where: str) -> float:
        """See `Trouble.level`."""
        faults = self._board.read().faults
        return next((fault.value for fault in faults if fault.name == name and fault.at == where), 0.0)

    def strike(self, where: str, thing: Any = None, given: Given = _NOTHING) -> None:
        """See `Trouble.strike`."""
        faults = self._board.read().faults
        if self._damage.leaked and not any(fault.name == "leak" for fault in faults):
            self._damage.leaked.clear()
        for fault in faults:
            if fault.at == where and fault.name in _STRIKES:
                _STRIKES[fault.name](fault.value, self._damage, thing, given)


def _delay(seconds: float, damage: Damage, thing: Any, given: Given) -> None:
    time.sleep(seconds)


def _errors(share: float, damage: Damage, thing: Any, given: Given) -> None:
    if random.random() < share:
        time.sleep(0.05)  # what fails has mostly tried for a while
        raise Defect("a fault that was switched on")


def _poison(share: float, damage: Damage, thing: Any, given: Given) -> None:
    """The same messages every time, however often they are delivered."""
    drawn = hashlib.sha256(str(given.get("key")).encode()).digest()[0] / 256
    if drawn < share:
        time.sleep(0.1)
        raise Defect("a message that cannot be worked on: a fault that was switched on")


def _burn(seconds: float, damage: Damage, thing: Any, given: Given) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


def _hold_lock(seconds: float, damage: Damage, thing: Any, given: Given) -> None:
    with damage.lock:
        time.sleep(seconds)


_LEAK_LIMIT = 1 << 30


def _leak(megabytes: float, damage: Damage, thing: Any, given: Given) -> None:
    size = int(megabytes * 1e6)
    if sum(map(len, damage.leaked)) + size > _LEAK_LIMIT:
        damage.leaked.clear()  # the lesson is learnt; the machine is still needed
    damage.leaked.append(bytearray(b"leak") * (size // 4))
    for kept in damage.leaked:
        kept.count(b"\0")  # a list that only grows is mostly also searched, and each time there is more of it


def _refuse(seconds: float, damage: Damage, thing: Any, given: Given) -> None:
    time.sleep(seconds)
    raise Unavailable("payment is down: a fault that was switched on")


def _unavailable(tries: float, damage: Damage, thing: Any, given: Given) -> None:
    raise Unavailable("overloaded: a fault that was switched on")


def _slow_query(rows: float, damage: Damage, thing: Any, given: Given) -> None:
    thing.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT count(*) FROM n",
        (int(rows),),
    ).fetchall()


_STRIKES: dict[str, Strike] = {
    "delay": _delay,
    "errors": _errors,
    "burn": _burn,
    "lock": _hold_lock,
    "pool": _delay,
    "slow-query": _slow_query,
    "leak": _leak,
    "retry-storm": _unavailable,
    "n+1": _delay,
    "queue-stuck": _delay,
    "poison": _poison,
    "payment-down": _refuse,
    "slow-dns": _delay,
}
"""What a fault does where it strikes. Those that are missing here change how a place works: it asks for their
level."""
