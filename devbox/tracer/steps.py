"""Spans of what runs in steps: coroutines, generators, asynchronous generators."""

from __future__ import annotations

import time

from .failures import failed
from .recorder import CURRENT, RECORDER, parent_cell
from .spans import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .places import Site

_now = time.perf_counter_ns
_get = CURRENT.get
_set = CURRENT.set
_reset = CURRENT.reset


def coroutine(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
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

    def __init__(self, site: Site) -> None:
        if site.spool is not RECORDER.spool:
            site.settle(RECORDER.spool)
        trace, self.above, _, state = parent_cell()
        self.site = site
        self.cell: list[Any] = [trace, RECORDER.ids(), None, state]
        self.stop = 0
        self.start = _now()

    def end(self) -> None:
        store(self.cell, self.site.head, self.above, self.start, self.stop or _now())


def generator(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        stepped = function(*args, **kwargs)
        if RECORDER.spool is None:
            return (yield from stepped)
        running = _Steps(site)
        step, value = stepped.send, None
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
                    step, value = stepped.send, (yield item)
                except GeneratorExit:
                    stepped.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - belongs to the generator inside
                    step, value = stepped.throw, error
        except GeneratorExit:
            raise
        except BaseException as error:
            failed(running.cell, error)
            raise
        finally:
            running.end()

    return wrapper


def async_generator(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        stepped = function(*args, **kwargs)
        running = _Steps(site) if RECORDER.spool is not None else None
        cell = running.cell if running else _get()
        step, value = stepped.asend, None
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
                    step, value = stepped.asend, (yield item)
                except GeneratorExit:
                    await stepped.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - belongs to the generator inside
                    step, value = stepped.athrow, error
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
