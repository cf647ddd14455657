"""What is asked of the shop, and when: decided beforehand, from a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from devbox.workload.services.catalogue import PRICES


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rate` requests per second (reached after `ramp` seconds) for `seconds`; equal seeds ask the same."""

    rate: float
    seconds: float
    ramp: float = 0.0
    seed: int = 1
    users: int = 49


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `due` is in seconds after the start."""

    due: float
    method: str
    path: str
    body: dict[str, object] | None = None
    key: str = ""


def requests(scenario: Scenario) -> Iterator[Request]:
    """All requests in order: three of four place an order, the others look at a user's orders.

    Arrivals are a Poisson process: a shop's customers do not wait for each other.
    """
    chance = random.Random(scenario.seed)
    due = 0.0
    while True:
        due += chance.expovariate(_rate(scenario, due))
        if due >= scenario.seconds:
            return
        user = f"u{chance.randint(1, scenario.users)}"
        if chance.random() < 0.25:
            yield Request(due, "GET", f"/orders?user={user}")
            continue
        body: dict[str, object] = {
            "user": user, "item": chance.choice(sorted(PRICES)), "quantity": chance.randint(1, 5)
        }  # fmt: skip
        yield Request(due, "POST", "/orders", body, uuid.UUID(int=chance.getrandbits(128)).hex)


def _rate(scenario: Scenario, at: float) -> float:
    if at >= scenario.ramp:
        return scenario.rate
    return max(scenario.rate * at / scenario.ramp, scenario.rate / 20)
