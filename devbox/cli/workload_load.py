"""`devbox workload load`: drive a scenario, say how it goes, write the report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from devbox.cli.console import Console, human_time
from devbox.errors import DevboxError
from devbox.workload.client import Shop
from devbox.workload.load.drive import Drive
from devbox.workload.load.report import Run, page
from devbox.workload.load.scenario import Scenario


def drive(console: Console, url: str, scenario: Scenario, report: Path | None) -> tuple[dict[str, Any], str]:
    """Load the shop at `url`; the figures, as data and as text. A page about it goes to `report`."""
    if report is not None:
        _write(report, "")  # rather now than after the run
    driven = Drive(url, scenario)
    console.say(f"{driven.planned} requests in {scenario.seconds:g} s, seed {scenario.seed}")
    driven.run(lambda elapsed: console.say(_live(driven, elapsed)))
    data = driven.figures.as_data(driven.planned, driven.seconds)
    if report is not None:
        _report(report, driven, scenario)
        data["report"] = str(report)
    return data, _text(console, data)


def _report(file: Path, drive: Drive, scenario: Scenario) -> None:
    told = Run(
        drive.url, scenario, drive.seconds, drive.figures, drive.planned,
        traces=str(Shop(drive.url).state().get("traces", "")), when=time.strftime("%Y-%m-%d %H:%M"),
    )  # fmt: skip
    _write(file, page(told))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DevboxError(
            "the report cannot be written", where=str(file), why=str(error.strerror),
            next_steps=["devbox workload load --report load.html"],
        ) from None  # fmt: skip


def _live(drive: Drive, elapsed: float) -> str:
    since = max(0.0, elapsed - 2.0)
    quantiles, outcomes = drive.figures.latencies(since), drive.figures.outcomes(since)
    errors = sum(outcomes.values()) - outcomes["ok"]
    shown = " ".join(f"{name} {human_time(quantiles[name])}" for name in ("p50", "p99") if name in quantiles)
    done = len(drive.figures.answers)
    return f"{elapsed:5.1f} s  {done}/{drive.planned} answered  {shown}  errors {errors}"


def _text(console: Console, data: dict[str, Any]) -> str:
    rows = [(name, human_time(value)) for name, value in data["latency_seconds"].items()]
    errors = ", ".join(f"{count} x {kind}" for kind, count in data["errors"].items()) or "none"
    lines = [
        f"{data['ok']} of {data['planned']} ok, {data['per_second']:g} per second, errors: {errors}",
        console.table(("latency", ""), rows, frozenset({1})),
    ]
    if data["late_sends"]:
        lines.append(f"{data['late_sends']} requests were sent more than 50 ms late: too much was under way")
    if "report" in data:
        lines.append(f"report: {data['report']}")
    return "\n".join(lines)
