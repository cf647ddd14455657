"""A load run as one HTML file: figures, charts drawn as SVG, the slowest requests with their traces."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from devbox.rendering import render
from devbox.workload.load.figures import Answer, Figures, quantile
from devbox.workload.load.plot import Scale, linear, logarithmic, path
from devbox.workload.load.scenario import Scenario

_SLOWEST = 12
_DOTS = 4000
"""The most requests that are drawn one by one; of more, every second, third, … is (the slowest always)."""

_LATENCIES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Run:
    """What a report is about. `traces` is the address of the trace page, empty when there is none."""

    url: str
    scenario: Scenario
    seconds: float
    figures: Figures
    planned: int
    traces: str = ""
    when: str = ""


def page(run: Run) -> str:
    """The report as HTML that needs nothing else."""
    answers = sorted(run.figures.answers, key=lambda one: one.due)
    data = run.figures.as_data(run.planned, run.seconds)
    slowest = sorted(answers, key=lambda one: -one.latency)[:_SLOWEST]
    return render(
        "web/load.html.j2",
        run=run,
        scenario=asdict(run.scenario),
        data=data,
        quantiles=[(name, human(value)) for name, value in data["latency_seconds"].items()],
        latency=latency_chart(answers, run.seconds),
        rate=rate_chart(answers, run.seconds),
        spread=spread_chart([one.latency for one in answers if one.outcome == "ok"]),
        slowest=[(one, human(one.latency), f"{one.due:.2f}") for one in slowest],
    )


def human(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def latency_chart(answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    """Every request as a dot, by when it was due; p50 and p99 of each second as lines."""
    across = linear(0, max(seconds, 1e-9), 0, 760)
    times = [one.latency for one in answers] or [0.001]
    up = _latency_scale(times, 0, 220)
    step = max(1, math.ceil(len(answers) / _DOTS))
    slowest = max(times)
    dots = [
        (round(across(one.due), 1), round(up(one.latency), 1), one.outcome == "ok")
        for number, one in enumerate(answers)
        if number % step == 0 or one.latency == slowest
    ]
    lines = {
        name: path(_per_second(answers, share, across, up)) for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    return {"dots": dots, "lines": lines, "ticks": _ticks(up, times), "seconds": _seconds(across, seconds)}


def _latency_scale(times: Sequence[float], top: float, bottom: float) -> Scale:
    low = max((tick for tick in _LATENCIES if tick <= min(times)), default=_LATENCIES[0])
    high = min((tick for tick in _LATENCIES if tick >= max(times)), default=max(times))
    return logarithmic(low, max(high, low * 2), bottom, top)


def _ticks(up: Scale, times: Sequence[float]) -> list[tuple[float, str]]:
    shown = [tick for tick in _LATENCIES if up.low <= tick <= up.high]
    return [(round(up(tick), 1), human(tick)) for tick in shown]


def _seconds(across: Scale, seconds: float) -> list[tuple[float, str]]:
    step = next((one for one in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if seconds / one <= 10), 1200)
    return [(round(across(at), 1), f"{at} s") for at in range(0, math.floor(seconds) + 1, step)]


def _per_second(
    answers: Sequence[Answer], share: float, across: Scale, up: Scale
) -> list[tuple[float, float]]:
    buckets: dict[int, list[float]] = {}
    for one in answers:
        buckets.setdefault(int(one.due), []).append(one.latency)
    return [
        (across(min(second + 0.5, across.high)), up(quantile(sorted(found), share)))
        for second, found in sorted(buckets.items())
    ]


def rate_chart(answers: Sequence[Answer], seconds: float) -> dict[str, Any]:
    """What was due and what was answered, well and otherwise, in each second."""
    due = Counter(int(one.due) for one in answers)
    good = Counter(int(one.done) for one in answers if one.outcome == "ok")
    bad = Counter(int(one.done) for one in answers if one.outcome != "ok")
    columns = max([*due, *good, *bad], default=0) + 1
    most = max([*due.values(), *(good[at] + bad[at] for at in range(columns)), 1])
    across, up = linear(0, columns, 0, 760), linear(0, most, 120, 0)
    bars = [
        {
            "x": round(across(at) + 1, 1),
            "width": round(max(across(1) - 2, 0.5), 1),
            "good": (round(up(good[at]), 1), round(120 - up(good[at]), 1)),
            "bad": (round(up(good[at] + bad[at]), 1), round(up(good[at]) - up(good[at] + bad[at]), 1)),
            "title": f"second {at}: {due[at]} due, {good[at]} ok, {bad[at]} failed",
        }
        for at in range(columns)
    ]
    line = path([(across(at + 0.5), up(due[at])) for at in range(columns)])
    marks = [(round(up(value), 1), f"{value:g}") for value in sorted({0, most // 2, most})]
    return {"bars": bars, "due": line, "ticks": marks, "seconds": _seconds(across, columns)}


def spread_chart(times: Sequence[float]) -> dict[str, Any]:
    """Latency by share of requests: the further right, the rarer (50 %, 90 %, 99 %, 99.9 %)."""
    ordered = sorted(times) or [0.001]
    shares = [1 - 10 ** (-step / 20) for step in range(61)]
    across = linear(0, 60, 0, 360)
    up = _latency_scale(ordered, 0, 160)
    enough = [(at, share) for at, share in enumerate(shares) if share <= 1 - 1 / (len(ordered) + 1)]
    line = path([(across(at), up(quantile(ordered, share))) for at, share in enough])
    marks = [
        (round(across(20 * nines), 1), name) for nines, name in enumerate(("0", "90 %", "99 %", "99.9 %"))
    ]
    return {"line": line, "ticks": _ticks(up, ordered), "marks": marks}
