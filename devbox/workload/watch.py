"""Watching a service without its knowing: every method becomes a span, and a place for faults to strike."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from devbox.tracer import traced
from devbox.workload.faults import Trouble

Thing = TypeVar("Thing")


ROW_BY_ROW = {"Orders.latest": "SQL SELECT orders"}
"""Functions that can be made to ask once more for each row, and the statement that is then asked N + 1
times."""


def watched(thing: Thing, faults: Trouble, but: tuple[str, ...] = ()) -> Thing:
    """The same object, each of its functions (`but` these) wrapped; spans are named `Class.function`."""
    kind = type(thing)
    for name, function in inspect.getmembers(kind, inspect.isfunction):
        if (
            not name.startswith("__")
            and name not in but
            and not isinstance(inspect.getattr_static(kind, name), staticmethod)
        ):
            setattr(thing, name, _wrapped(thing, function.__get__(thing), f"{kind.__name__}.{name}", faults))
    return thing


def _wrapped(thing: Any, function: Callable[..., Any], where: str, faults: Trouble) -> Callable[..., Any]:
    @functools.wraps(function)
    def suffering(*args: Any, **kwargs: Any) -> Any:
        faults.strike(where, thing, kwargs)
        result = function(*args, **kwargs)
        if where in ROW_BY_ROW and faults.level("n+1", ROW_BY_ROW[where]):
            for one in result:
                thing.get(one.id)
        return result

    return traced(suffering, name=where)  # type: ignore[no-any-return]
