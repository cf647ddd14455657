"""A span's face: what can be added to it, how it ends, and how it is stored."""

from __future__ import annotations

import sys
import time

from . import cpu
from .encode import pack, plain
from .failures import added_to, failed
from .layout import (
    ATTRIBUTES,
    EVENTS,
    LINKS,
    MESSAGE,
    NAME,
    OK,
    REMOTE_PARENT,
    STATUS,
    STATUS_SHIFT,
)
from .recorder import CURRENT, RECORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from .propagation import SpanContext
    from .recorder import Cell

_now = time.perf_counter_ns
_set = CURRENT.set
_reset = CURRENT.reset
_recorder = RECORDER


class Span:
    """A running span. Everything added is kept when it ends; after that, adding does nothing."""

    __slots__ = ("_baggage", "_cell", "_head", "_parent", "_start", "_token", "recording")

    def __init__(self, cell: Cell, recording: bool = False) -> None:
        self._cell = cell
        self._head = self._parent = self._start = 0
        self._token: Any = None
        self._baggage: Any = None
        self.recording = recording

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return str(self._cell[0].hex())

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return f"{self._cell[1]:016x}"

    @property
    def context(self) -> SpanContext:
        """What another span needs to link to this one, or to be its child."""
        from .propagation import SpanContext

        return SpanContext(self._cell[0], self._cell[1], self._cell[3])

    def set_attribute(self, key: str, value: object) -> None:
        """Texts, numbers, booleans and lists of them are kept as they are, anything else as its `str`."""
        if self.recording:
            added_to(self._cell).setdefault(ATTRIBUTES, {})[key] = value

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        """Several at once."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, object] | None = None) -> None:
        """Something that happened now."""
        if self.recording:
            event = [plain(name), _now(), plain(dict(attributes or {}))]
            added_to(self._cell).setdefault(EVENTS, []).append(event)

    def add_link(self, context: SpanContext, attributes: Mapping[str, object] | None = None) -> None:
        """Another span that has to do with this one without being its parent."""
        if self.recording and context:
            link = [context.trace_id.hex(), f"{context.span_id:016x}", plain(dict(attributes or {}))]
            added_to(self._cell).setdefault(LINKS, []).append(link)

    def set_status(self, status: int, message: str = "") -> None:
        """`ERROR` (with a reason), `OK` (final) or `UNSET`."""
        if self.recording:
            added = added_to(self._cell)
            if added.get(STATUS) != OK:
                added[STATUS] = status
                if message:
                    added[MESSAGE] = plain(message)

    def record_exception(self, error: BaseException) -> None:
        """An `exception` event with type, message and stack (OpenTelemetry's names); the status becomes
        error.
        """
        if self.recording:
            failed(self._cell, error)

    def rename(self, name: str) -> None:
        """A better name, known only now (a route that matched)."""
        if self.recording:
            added_to(self._cell)[NAME] = plain(name)

    def begin(self) -> Span:
        """Start now without becoming the current span: for work that begins and ends in different
        callbacks.
        """
        self._start = _now()
        return self

    def end(self) -> None:
        """End a span that was begun."""
        if self.recording:
            self.recording = False
            end = _now()
            # One that was never begun takes no time; an application's slip must not end the application.
            store(self._cell, self._head, self._parent, getattr(self, "_start", end), end)

    def __enter__(self) -> Span:
        self._token = _set(self._cell)
        if self._baggage is not None:
            from .propagation import enter_baggage

            self._baggage = enter_baggage(self._baggage)
        if _recorder.cpu:
            cpu.begin_block(self._cell, sys._getframe(1))
        self._start = _now()
        return self

    def _entering(self, parent: SpanContext) -> None:
        if parent.remote:
            self._head |= REMOTE_PARENT
        self._baggage = parent.baggage or None

    def pause(self) -> None:
        """No longer be the current span, without ending."""
        _reset(self._token)
        if self._baggage is not None:
            from .propagation import leave_baggage

            leave_baggage(self._baggage)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = _now()
        try:
            if self._baggage is None:
                _reset(self._token)
            else:
                self.pause()
        except ValueError:
            # A generator that was abandoned is closed in another context than the one that it ran in; there
            # is nothing to take back in this one.
            self._token = None
        if self.recording:
            self.recording = False
            if error is not None:
                failed(self._cell, error)
            store(self._cell, self._head, self._parent, self._start, end)


def current() -> Span:
    """The active span; where there is none, one on which every call is harmless."""
    cell = CURRENT.get()
    if cell is None:
        return Span([bytes(16), 0, None, ""])
    return Span(cell, RECORDER.spool is not None and cell[1] != 0)


def store(cell: Cell, head: int, parent: int, start: int, end: int) -> None:
    """Write an ended span, with what was added to it."""
    spool = _recorder.spool
    if spool is None:
        return
    added = cell[2]
    if added is None:
        spool.write(head, cell[0], cell[1], parent, start, end)
        return
    if _recorder.cpu:
        cpu.end(added, end - start)
    if STATUS in added:
        head |= added.pop(STATUS) << STATUS_SHIFT
    spool.write_with(pack(added), head, cell[0], cell[1], parent, start, end)


class active:
    """Make a span that was begun the current one for a `with` block, without ending it."""

    __slots__ = ("_cell", "_token")

    def __init__(self, span: Span) -> None:
        self._cell = span._cell

    def __enter__(self) -> None:
        self._token = _set(self._cell)

    def __exit__(self, *_: object) -> None:
        _reset(self._token)
