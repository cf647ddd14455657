"""Faults on switches: what a function of the shop can be made to suffer while it runs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from devbox.workload.failures import Defect
from devbox.workload.switches import Board


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault. `at` and `value` are what it strikes, and how hard, when nothing else is said; `pattern` is
    what it must look like in the traces."""

    name: str
    at: str
    value: float
    unit: str
    help: str
    pattern: str


KINDS = (
    Kind("delay", "Payments.charge", 0.2, "s", "the function waits",
         "the function's own time grows by the delay"),
    Kind("errors", "Users.find", 0.5, "share of calls", "the function fails",
         "spans of the function with status error"),
    Kind("burn", "Payments._assess_risk", 0.1, "s", "the function computes and holds the GIL",
         "the function's own time grows, and everything in the same process with it"),
)  # fmt: skip


def kind(name: str) -> Kind | None:
    """The fault of that name, if there is one."""
    return next((one for one in KINDS if one.name == name), None)


class Faults:
    """Strikes functions by name, as the board says."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def strike(self, where: str) -> None:
        """Suffer whatever is on for the function of this name."""
        for fault in self._board.read().faults:
            if fault.at == where and fault.name in _STRIKES:
                _STRIKES[fault.name](fault.value)


def _fail(share: float) -> None:
    if random.random() < share:
        raise Defect("a fault that was switched on")


def _burn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


_STRIKES: dict[str, Callable[[float], None]] = {"delay": time.sleep, "errors": _fail, "burn": _burn}
