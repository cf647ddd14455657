"""Watching a service without its knowing: every method becomes a span, and a place for faults to strike."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from devbox.tracer import traced
from devbox.workload.faults import Faults

Thing = TypeVar("Thing")


def watched(thing: Thing, faults: Faults, but: tuple[str, ...] = ()) -> Thing:
    """The same object, each of its functions (`but` these) wrapped; spans are named `Class.function`."""
    kind = type(thing)
    for name, function in inspect.getmembers(kind, inspect.isfunction):
        if (
            not name.startswith("__")
            and name not in but
            and not isinstance(inspect.getattr_static(kind, name), staticmethod)
        ):
            setattr(thing, name, _wrapped(function.__get__(thing), f"{kind.__name__}.{name}", faults))
    return thing


def _wrapped(function: Callable[..., Any], where: str, faults: Faults) -> Callable[..., Any]:
    @functools.wraps(function)
    def suffering(*args: Any, **kwargs: Any) -> Any:
        faults.strike(where)
        return function(*args, **kwargs)

    return traced(suffering, name=where)  # type: ignore[no-any-return]
