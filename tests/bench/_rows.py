"""The lines of the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """What was asked for."""

    files: int
    rounds: int
    saves: int
    megabytes: int


def row(measure: str, rtt: object, who: str, figure: str, beside: str = "") -> None:
    """One line of the table, as soon as it is known."""
    print(f"{measure:<34} {f'{rtt} ms':<7} {who:<26} {figure:<18} {beside}".rstrip(), flush=True)


def seconds(value: float) -> str:
    return "> 60 s" if value == float("inf") else f"{value:.2f} s"


Run = Callable[[], float]


def compare(measure: str, rtt: object, runs: dict[str, tuple[Run, str]], rounds: int) -> None:
    """All in turn, so often; medians, and how they stand to the first. Beside each stands what to reach."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (run, _reach) in runs.items():
            if taken[name][-1:] != [float("inf")]:
                taken[name].append(run())
    base = statistics.median(next(iter(taken.values())))
    for name, (_run, reach) in runs.items():
        value = statistics.median(taken[name])
        row(measure, rtt, name, seconds(value), f"{value / base:.2f}x {reach}" if value < 1e9 else "")
