"""Spans with a face: `span(...)`, `current()`, and what can be added to them."""

from __future__ import annotations

import sys
import time

from .encode import pack, plain
from .failures import added_to, failed
from .layout import (
    ATTRIBUTES,
    EVENTS,
    INTERNAL,
    LINKS,
    MESSAGE,
    NAME,
    OK,
    REMOTE_PARENT,
    STATUS,
    STATUS_SHIFT,
)
from .recorder import CURRENT, MOST_NAMES, RECORDER, parent_cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any

    from .propagation import SpanContext
    from .recorder import Cell

_now = time.perf_counter_ns
_frame = sys._getframe
_new = object.__new__
_get = CURRENT.get
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
            store(self._cell, self._head, self._parent, self._start, _now())

    def __enter__(self) -> Span:
        self._token = _set(self._cell)
        if self._baggage is not None:
            from .propagation import enter_baggage

            self._baggage = enter_baggage(self._baggage)
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
        if self._baggage is None:
            _reset(self._token)
        else:
            self.pause()
        if self.recording:
            self.recording = False
            if error is not None:
                failed(self._cell, error)
            store(self._cell, self._head, self._parent, self._start, end)


def span(
    name: str,
    attributes: Mapping[str, object] | None = None,
    *,
    kind: int = INTERNAL,
    parent: SpanContext | None = None,
    links: Iterable[SpanContext] = (),
    **more: object,
) -> Span:
    """A span for a `with` block. `attributes` takes dotted names, keywords take plain ones.

    Child of the active span, unless `parent` says otherwise: what `extract` found (an empty one begins a new
    trace and its baggage holds inside), or another span's `context`.
    """
    if _recorder.spool is None:
        return _quiet(parent)
    if attributes:
        more.update(attributes)
    frame = _frame(1)
    place = _recorder.places.get((id(frame.f_code), frame.f_lasti, name, kind)) or _new_place(
        frame, name, kind
    )
    above = (_get() or parent_cell()) if parent is None else parent.as_cell()
    # Without __init__, whose call would be a tenth of the whole price.
    made: Span = _new(Span)
    made._cell = [above[0], _recorder.ids(), {ATTRIBUTES: more} if more else None, above[3]]
    made._head = place[0]
    made._parent = above[1]
    made._baggage = None
    made.recording = True
    if links or not place[0]:
        _unusual(made, name, kind, links)
    if parent is not None:
        made._entering(parent)
    return made


def _unusual(made: Span, name: str, kind: int, links: Iterable[SpanContext]) -> None:
    if not made._head:
        made._head = RECORDER.site("(many names)", kind, "", "", 0)
        made.rename(name)
    for link in links:
        made.add_link(link)


def _new_place(frame: Any, name: str, kind: int) -> tuple[int, Any]:
    """The head of spans begun at this place, remembered for the next time; head 0 when there are too
    many names.
    """
    code = frame.f_code
    if len(RECORDER.places) >= MOST_NAMES:
        return 0, code
    function = f"{frame.f_globals.get('__name__', '')}.{getattr(code, 'co_qualname', code.co_name)}"
    head = RECORDER.site(name, kind, function, code.co_filename, frame.f_lineno)
    # The code is kept beside it: as long as it lives, no other code can have its id.
    found = RECORDER.places[id(code), frame.f_lasti, name, kind] = head, code
    return found


def _quiet(parent: SpanContext | None) -> Span:
    """Not recording, yet the context is carried on: a service that is not traced must not break the chain."""
    above = parent.as_cell() if parent is not None else CURRENT.get() or [bytes(16), 0, None, ""]
    made = Span([above[0], above[1], None, above[3]])
    if parent is not None:
        made._baggage = parent.baggage or None
    return made


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
    if STATUS in added:
        head |= added.pop(STATUS) << STATUS_SHIFT
    spool.write_with(pack(added), (head, cell[0], cell[1], parent, start, end))
