"""What is under way: the requests that one task sent together, and whoever waits for their answers."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from devbox.adapters.sftp.wire import Reply, Request

NUMBERS = 0xFFFFFFFF
"""Request numbers have 32 bits."""
_NO_ANSWER = Reply(code=-1)


@dataclass(slots=True, eq=False)
class Flight:
    """Requests of one task that are under way together, with numbers that follow each other from `first`."""

    pump: Pump
    task: Generator[Sequence[Request], Sequence[Reply], Any]
    requests: Sequence[Request]
    replies: list[Reply] = field(init=False)
    due: int = field(init=False)
    first: int = 0
    size: int = 0
    """In bytes."""
    sent: float = 0.0

    def __post_init__(self) -> None:
        self.due = len(self.requests)
        self.replies = [_NO_ANSWER] * self.due


Arrived = tuple[Flight, int, Reply | None]
"""The answer to one request, by its position; `None` when none will come any more."""


@dataclass(slots=True, eq=False)
class Pump:
    """One `run`: its flights and the queue that the reading thread fills for it. `size` is in bytes."""

    inbox: queue.SimpleQueue[list[Arrived]] = field(default_factory=queue.SimpleQueue)
    outbox: list[bytes] = field(default_factory=list)
    landed: deque[Flight] = field(default_factory=deque)
    under_way: int = 0
    size: int = 0
