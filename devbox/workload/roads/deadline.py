"""How much time a call has left, handed on from call to call.

It travels as seconds that remain, never as a point in time: clocks of two machines differ (gRPC does the same
with its `grpc-timeout` header).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from devbox.workload.failures import DeadlineExceeded

HEADER = "x-timeout-seconds"

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining(at_most: float) -> float:
    """Seconds that a call made now may take; `DeadlineExceeded` when none are left."""
    end = _end.get()
    left = at_most if end is None else min(at_most, end - time.monotonic())
    if left <= 0:
        raise DeadlineExceeded("no time left for this call")
    return left


@contextmanager
def within(headers: Mapping[str, str]) -> Iterator[None]:
    """What runs in this context has as much time as the caller's headers say, or as long as it likes."""
    text = headers.get(HEADER, "")
    try:
        end = time.monotonic() + float(text) if text else None
    except ValueError:
        end = None
    token = _end.set(end)
    try:
        yield
    finally:
        _end.reset(token)
