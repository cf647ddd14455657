"""Traces made up for tests: a seeded shop of services, in any number."""

from __future__ import annotations

import random
from collections.abc import Iterator

from devbox.traces.model import Operation, Process, Span

START = 1_700_000_000_000_000_000
SERVICES = ("gateway", "order", "user", "payment", "notify")


def process(service: str = "shop") -> Process:
    """A process of that service."""
    return Process(f"{service:0<32}", service, {"service": service})


def spans(seed: int, traces: int, most: int = 12) -> Iterator[Span]:
    """So many traces of up to `most` spans each, a second apart; some fail, some are slow, some have tags."""
    rng = random.Random(seed)
    for number in range(traces):
        yield from one_trace(rng, f"{seed:016x}{number + 1:016x}", START + number * 1_000_000_000, most)


def one_trace(rng: random.Random, trace: str, start: int, most: int) -> Iterator[Span]:
    """One trace; parents come before their children."""
    made: list[Span] = []
    for number in range(rng.randint(1, most)):
        parent = rng.choice(made) if made else None
        service = rng.choice(SERVICES) if rng.random() < 0.4 or not parent else parent.operation.service
        kind = "server" if parent is None or parent.operation.service != service else "internal"
        begin = start if parent is None else rng.randint(parent.start, parent.end)
        took = rng.randint(0, 50_000_000) if parent is None else rng.randint(0, parent.end - begin + 1000)
        failed = rng.random() < 0.05
        made.append(
            Span(
                trace,
                f"{number + 1:016x}",
                parent.span_id if parent else "",
                Operation(service, f"{service}.{rng.choice('abc')}", kind, file="/app/shop.py", line=number),
                begin,
                begin + took,
                "error" if failed else "unset",
                "no luck" if failed else "",
                {"user.id": rng.randint(1, 50), "paid": rng.random() < 0.5} if number % 2 else {},
            )
        )
    yield from made
