"""Numbers as places in a drawing. Touches nothing outside the process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Puts `low`…`high` onto `start`…`end`; what lies outside is put at the border."""

    low: float
    high: float
    start: float
    end: float
    bend: Callable[[float], float]

    def __call__(self, value: float) -> float:
        """Where the value lies."""
        bent = self.bend(min(max(value, self.low), self.high)) - self.bend(self.low)
        return self.start + (self.end - self.start) * bent / (self.bend(self.high) - self.bend(self.low))


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Equal differences are equally long."""
    return Scale(low, high, start, end, float)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Equal ratios are equally long; `low` is above 0."""
    return Scale(low, high, start, end, math.log)


def path(points: Iterable[tuple[float, float]]) -> str:
    """A line through the points, as SVG says it; empty without any."""
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points) if (points := list(points)) else ""
