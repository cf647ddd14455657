"""Spans with a face: `span(...)`, `current()`, and what can be added to them."""

from __future__ import annotations

import sys
import time

from .encode import cut, dumps
from .failures import added_to, failed
from .layout import HAS_TEXT, INTERNAL, OK, REMOTE_PARENT, STATUS_SHIFT, UNSET
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


class Span:
    """A running span. Everything added is kept when it ends; after that, adding does nothing."""

    __slots__ = ("_baggage", "_cell", "_head", "_parent", "_start", "_token", "recording")

    def __init__(self, cell: Cell, head: int = 0, parent: int = 0, start: int = 0) -> None:
        self._cell = cell
        self._head = head
        self._parent = parent
        self._start = start
        self._token: Any = None
        self._baggage: Any = None
        self.recording = RECORDER.spool is not None and cell[1] != 0

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
            added_to(self._cell).setdefault("a", {})[key] = cut(value)

    def set_attributes(self, attributes: Mapping[str, object]) -> None:
        """Several at once."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, object] | None = None) -> None:
        """Something that happened now."""
        if self.recording:
            clean = {key: cut(value) for key, value in (attributes or {}).items()}
            added_to(self._cell).setdefault("e", []).append([name, _now(), clean])

    def add_link(self, context: SpanContext, attributes: Mapping[str, object] | None = None) -> None:
        """Another span that has to do with this one without being its parent."""
        if self.recording and context:
            link = [context.trace_id.hex(), f"{context.span_id:016x}", dict(attributes or {})]
            added_to(self._cell).setdefault("l", []).append(link)

    def set_status(self, status: int, message: str = "") -> None:
        """`ERROR` (with a reason), `OK` (final) or `UNSET`."""
        if self.recording:
            added = added_to(self._cell)
            if added.get("s") != OK:
                added["s"] = status
                if message:
                    added["m"] = cut(message)

    def record_exception(self, error: BaseException) -> None:
        """An `exception` event with type, message and stack (OpenTelemetry's names); the status becomes
        error.
        """
        if self.recording:
            failed(self._cell, error)

    def rename(self, name: str) -> None:
        """A better name, known only now (a route that matched)."""
        if self.recording:
            added_to(self._cell)["n"] = name

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
        self._token = CURRENT.set(self._cell)
        if self._baggage is not None:
            from .propagation import enter_baggage

            self._baggage = enter_baggage(self._baggage)
        self._start = _now()
        return self

    def pause(self) -> None:
        """No longer be the current span, without ending."""
        CURRENT.reset(self._token)
        if self._baggage is not None:
            from .propagation import leave_baggage

            leave_baggage(self._baggage)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = _now()
        self.pause()
        if self.recording:
            if error is not None:
                failed(self._cell, error)
            self.recording = False
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
    if RECORDER.spool is None:
        return _quiet(parent)
    added: dict[str, Any] | None = None
    if attributes or more:
        # One loop, not two merged dicts: this is the hot path of spans with attributes.
        if attributes:
            more.update(attributes)
        for key, value in more.items():
            if value.__class__ is str and len(value) > 256:
                more[key] = cut(value)
        added = {"a": more}
    above = parent_cell() if parent is None else parent.as_cell()
    frame = _frame(1)
    spot = id(frame.f_code), frame.f_lasti, name, kind
    head, _ = RECORDER.places.get(spot) or _new_place(frame, name, kind)
    if not head:
        head = RECORDER.site("(many names)", kind, "", "", 0)
        added = {"n": name} if added is None else {**added, "n": name}
    if parent is not None and parent.remote:
        head |= REMOTE_PARENT
    made = Span([above[0], RECORDER.ids(), added, above[3]], head, above[1])
    if parent is not None:
        made._baggage = parent.baggage or None
    for link in links:
        made.add_link(link)
    return made


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
    made.recording = False
    return made


def current() -> Span:
    """The active span; where there is none, one on which every call is harmless."""
    cell = CURRENT.get()
    return Span(cell if cell is not None else [bytes(16), 0, None, ""])


def store(cell: Cell, head: int, parent: int, start: int, end: int) -> None:
    """Write an ended span, with what was added to it."""
    spool = RECORDER.spool
    if spool is None:
        return
    added = cell[2]
    if added is not None:
        head |= added.pop("s", UNSET) << STATUS_SHIFT
        if added and spool.write_text(cell[1], dumps(added).encode("ascii", "replace")):
            head |= HAS_TEXT
    spool.write(head, cell[0], cell[1], parent, start, end)
