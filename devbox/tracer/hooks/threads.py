"""Traces over threads and thread pools: a thread continues where it was started, a task where it was
submitted.
"""

from __future__ import annotations

from ..propagation import _BAGGAGE
from ..recorder import CURRENT
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


def carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, continuing wherever it is called the trace that is active now.

    Only the trace and its baggage are carried, not the whole context: a new thread's other context variables
    start empty in Python, and applications rely on that.
    """
    cell, baggage = CURRENT.get(), _BAGGAGE.get()
    if cell is None and not baggage:
        return function
    return _bound(function, cell, baggage)


def _bound(function: Callable[..., Any], cell: Any, baggage: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        tokens = CURRENT.set(cell), _BAGGAGE.set(baggage)
        try:
            return function(*args, **kwargs)
        finally:
            CURRENT.reset(tokens[0])
            _BAGGAGE.reset(tokens[1])

    return run


def adapt_threading(module: ModuleType) -> None:
    """`Thread.start`, and with it `Timer` and every subclass."""

    def make(start: Any) -> Any:
        def wrapper(self: Any) -> Any:
            self.run = carried(self.run)
            return start(self)

        return wrapper

    replace(module.Thread, "start", make)


def adapt_concurrent_futures_thread(module: ModuleType) -> None:
    """`ThreadPoolExecutor.submit`, and with it `map` and asyncio's `run_in_executor`."""

    def make(submit: Any) -> Any:
        def wrapper(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            # Also where nothing is active: the pool's thread may have been started inside another trace.
            return submit(self, _bound(fn, CURRENT.get(), _BAGGAGE.get()), *args, **kwargs)

        return wrapper

    replace(module.ThreadPoolExecutor, "submit", make)
