"""`traced`: one span per call of a function, a coroutine, a generator or an asynchronous generator."""

from __future__ import annotations

import struct
import time

from .cpu import begin
from .failures import failed
from .layout import INTERNAL, SLOT, SPAN
from .places import Site
from .recorder import CURRENT, RECORDER, parent_cell
from .spans import store
from .steps import async_generator, coroutine, generator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
else:
    FunctionType = type(lambda: None)  # without importing `types`

_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
"""Code flags as in CPython's Include/cpython/code.h (the `inspect` module costs 7 ms to import)."""
MARK = "__devbox_traced__"
KEPT_DUNDERS = frozenset(("__init__", "__call__", "__enter__", "__exit__", "__aenter__", "__aexit__"))
"""Special methods that are recorded with a module; the others are called too often and do too little."""

_now = time.perf_counter_ns
_get = CURRENT.get
_set = CURRENT.set
_reset = CURRENT.reset
_pack = SPAN.pack_into


def traced(function: F | None = None, *, name: str | None = None, kind: int = INTERNAL) -> Any:
    """Record every call as a span named `module.function` (or `name`). Usable bare or with arguments.

    Generators have one span from their first step to their end, and are the active span only while they run.
    What is not a Python function comes back unchanged.
    """
    if function is None:
        return lambda found: traced(found, name=name, kind=kind)
    if not isinstance(function, FunctionType) or hasattr(function, MARK):
        return function
    flags = function.__code__.co_flags
    site = Site(function, name, kind)
    if flags & _ASYNC_GENERATOR:
        wrapper: Any = async_generator(function, site)
    elif flags & _COROUTINE:
        wrapper = coroutine(function, site)
    elif flags & _ITERABLE_COROUTINE:
        return function
    elif flags & _GENERATOR:
        wrapper = generator(function, site)
    else:
        wrapper = _plain(function, site)
    return _dress(wrapper, function)


def _dress(wrapper: Any, function: FunctionType) -> Any:
    # What functools.wraps does, without importing functools (3 ms of its own).
    for attribute in (
        "__module__",
        "__name__",
        "__qualname__",
        "__doc__",
        "__annotations__",
        "__type_params__",
    ):
        if hasattr(function, attribute):
            setattr(wrapper, attribute, getattr(function, attribute))
    wrapper.__dict__.update(function.__dict__)
    wrapper.__wrapped__ = function
    setattr(wrapper, MARK, True)
    return wrapper


def _plain(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """The hot path, written out flat: every call that is saved here is saved on each span."""
    recorder = RECORDER

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        spool = recorder.spool
        if spool is None:
            return function(*args, **kwargs)
        if site.spool is not spool:
            site.settle(spool)
        trace, above, _, state = _get() or parent_cell()
        span = recorder.ids()
        cell = [trace, span, None, state]
        token = _set(cell)
        end = 0
        if recorder.cpu:
            begin(cell)
        start = _now()
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            end = _now()  # keeping the stack takes a while, and is not the function's doing
            failed(cell, error)
            raise
        finally:
            end = end or _now()
            _reset(token)
            if cell[2] is None:
                ring = spool.ring
                index = ring[1]()
                try:
                    _pack(ring[0], index * SLOT, site.head, trace, span, above, start, end, index)
                except struct.error:
                    if spool.make_room(ring):
                        spool.write(site.head, trace, span, above, start, end)
            else:
                store(cell, site.head, above, start, end)

    return wrapper
