"""What a load run measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's end. `due`, `sent` and `done` are in seconds after the start; `outcome` is `ok` or a kind
    of error; `order` is the order that was placed, `state` what it was told to be."""

    due: float
    sent: float
    done: float
    outcome: str
    order: str = ""
    state: str = ""
    trace: str = ""

    @property
    def latency(self) -> float:
        """Seconds from when the request was due: time that it could not be sent in counts as well."""
        return self.done - self.due


@dataclass(slots=True)
class Figures:
    """Answers as they come in."""

    answers: list[Answer] = field(default_factory=list)

    def latencies(self, since: float = 0.0) -> dict[str, float]:
        """Seconds of good answers by quantile, for requests due `since` or later; empty without any."""
        good = sorted(one.latency for one in self.answers if one.outcome == "ok" and one.due >= since)
        return {name: quantile(good, share) for name, share in QUANTILES.items()} if good else {}

    def outcomes(self, since: float = 0.0) -> Counter[str]:
        """How many answers of each outcome."""
        return Counter(one.outcome for one in self.answers if one.due >= since)

    def as_data(self, planned: int, seconds: float) -> dict[str, Any]:
        """All of it as JSON; times in seconds."""
        outcomes = self.outcomes()
        slowest = max(self.answers, key=lambda one: one.latency, default=None)
        return {
            "planned": planned,
            "answered": len(self.answers),
            "ok": outcomes.pop("ok", 0),
            "errors": dict(outcomes),
            "seconds": round(seconds, 3),
            "per_second": round(len(self.answers) / seconds, 1) if seconds else 0.0,
            "latency_seconds": {name: round(value, 6) for name, value in self.latencies().items()},
            "slowest_trace": slowest.trace if slowest else "",
            "late_sends": sum(one.sent - one.due > 0.05 for one in self.answers),
        }


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: a latency that was really measured."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
