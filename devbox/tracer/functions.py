"""`traced`: one span per call of a function, a coroutine, a generator or an asynchronous generator."""

from __future__ import annotations

import struct
import time
from types import FunctionType

from .failures import failed
from .layout import INTERNAL, KIND_SHIFT, SLOT, SPAN, TYPE_SPAN
from .recorder import CURRENT, RECORDER, parent_cell
from .spans import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200
"""Code flags as in CPython's Include/cpython/code.h (the `inspect` module costs 7 ms to import)."""
MARK = "__devbox_traced__"
KEPT_DUNDERS = frozenset(("__init__", "__call__", "__enter__", "__exit__", "__aenter__", "__aexit__"))
"""Special methods that are recorded with a whole module; the others are called too often and do too
little."""

_now = time.perf_counter_ns
_get = CURRENT.get
_set = CURRENT.set
_reset = CURRENT.reset
_pack = SPAN.pack_into


def _innermost(function: Any) -> Any:
    """What decorators wrapped: its lines are those that a reader looks for."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


class _Site:
    """A function's site, described to the spool at its first call; anew when the recorder is switched on
    again.
    """

    __slots__ = ("head", "kind", "name", "place", "spool")

    def __init__(self, function: FunctionType, name: str | None, kind: int) -> None:
        code = _innermost(function).__code__
        full = f"{function.__module__}.{function.__qualname__}".replace(".<locals>", "")
        self.name = name or full
        self.kind = kind
        self.place = full, code.co_filename, code.co_firstlineno
        self.head = TYPE_SPAN | kind << KIND_SHIFT
        self.spool: object = None

    def settle(self, spool: object) -> None:
        self.head = RECORDER.site(self.name, self.kind, *self.place)
        self.spool = spool


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
    site = _Site(function, name, kind)
    if flags & _ASYNC_GENERATOR:
        wrapper: Any = _async_generator(function, site)
    elif flags & _COROUTINE:
        wrapper = _coroutine(function, site)
    elif flags & _ITERABLE_COROUTINE:
        return function
    elif flags & _GENERATOR:
        wrapper = _generator(function, site)
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


def _plain(function: Callable[..., Any], site: _Site) -> Callable[..., Any]:
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


def _coroutine(function: Callable[..., Any], site: _Site) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if RECORDER.spool is None:
            return await function(*args, **kwargs)
        running = _Steps(site)
        token = _set(running.cell)
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            running.stop = _now()
            failed(running.cell, error)
            raise
        finally:
            _leave(token)
            running.end()

    return wrapper


def _leave(token: Any) -> None:
    try:
        _reset(token)
    except ValueError:
        # The event loop closes an abandoned coroutine in another context than the one it ran in; that context
        # never saw our value, so there is nothing to take back.
        return


class _Steps:
    """The span of something that runs in steps."""

    __slots__ = ("above", "cell", "site", "start", "stop")

    def __init__(self, site: _Site) -> None:
        if site.spool is not RECORDER.spool:
            site.settle(RECORDER.spool)
        trace, self.above, _, state = parent_cell()
        self.site = site
        self.cell: list[Any] = [trace, RECORDER.ids(), None, state]
        self.stop = 0
        self.start = _now()

    def end(self) -> None:
        store(self.cell, self.site.head, self.above, self.start, self.stop or _now())


def _generator(function: Callable[..., Any], site: _Site) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        if RECORDER.spool is None:
            return (yield from generator)
        running = _Steps(site)
        step, value = generator.send, None
        try:
            while True:
                token = _set(running.cell)
                try:
                    item = step(value)
                except StopIteration as stop:
                    return stop.value
                finally:
                    _reset(token)
                try:
                    step, value = generator.send, (yield item)
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - belongs to the generator inside
                    step, value = generator.throw, error
        except GeneratorExit:
            raise
        except BaseException as error:
            failed(running.cell, error)
            raise
        finally:
            running.end()

    return wrapper


def _async_generator(function: Callable[..., Any], site: _Site) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        running = _Steps(site) if RECORDER.spool is not None else None
        cell = running.cell if running else _get()
        step, value = generator.asend, None
        try:
            while True:
                token = _set(cell)
                try:
                    item = await step(value)
                except StopAsyncIteration:
                    return
                finally:
                    _leave(token)
                try:
                    step, value = generator.asend, (yield item)
                except GeneratorExit:
                    await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - belongs to the generator inside
                    step, value = generator.athrow, error
        except GeneratorExit:
            raise
        except BaseException as error:
            if running:
                failed(running.cell, error)
            raise
        finally:
            if running:
                running.end()

    return wrapper
