"""Making spans: `span(...)` for what runs now, `record(...)` for what somebody else has seen run."""

from __future__ import annotations

import sys
import time

from .layout import ATTRIBUTES, ERROR, INTERNAL, MESSAGE, NAME, REMOTE_PARENT, STATUS
from .recorder import CURRENT, MOST_NAMES, RECORDER, parent_cell
from .spans import Span, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .propagation import SpanContext

MANY = "(many names)"
"""Site of the spans whose names are too many for a site each; those names travel with each span."""

_frame = sys._getframe
_new = object.__new__
_get = CURRENT.get
_recorder = RECORDER


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
        more = {**attributes, **more} if more else {**attributes}
    return begun(_frame(1), name, more, kind, parent, links)


def begun(
    frame: Any,
    name: str,
    attributes: dict[str, Any],
    kind: int,
    parent: SpanContext | None = None,
    links: Iterable[SpanContext] = (),
) -> Span:
    """The same for a place in the code that is not the caller's: a frame, or what looks like one (`At`)."""
    if _recorder.spool is None:
        return _quiet(parent)
    place = _recorder.places.get((id(frame.f_code), frame.f_lasti, name, kind)) or _new_place(
        frame, name, kind
    )
    if parent is None:
        above = _get() or parent_cell()
    else:
        _recorder.arrive()
        above = parent.as_cell()
    # Without __init__, whose call would be a tenth of the whole price.
    made: Span = _new(Span)
    made._cell = [above[0], _recorder.ids(), {ATTRIBUTES: attributes} if attributes else None, above[3]]
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
        made._head = RECORDER.site(MANY, kind, "", "", 0)
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
    function = function.replace(".<locals>", "")
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


def record(
    name: str,
    start: int,
    end: int,
    attributes: Mapping[str, object] | None = None,
    *,
    kind: int = INTERNAL,
    parent: SpanContext | None = None,
    own: SpanContext | None = None,
    error: str = "",
) -> None:
    """Keep a span that ran elsewhere: a line of nginx's log, a phase of a subprocess, a wait in a queue.

    `start` and `end` are nanoseconds since the epoch. Child of the active span unless `parent` says
    otherwise, with an id of its own unless `own` is where it stands already (an id that nginx made and sent
    along; without
    `parent` it is the first of its trace). A non-empty `error` makes it a failed one.
    """
    if RECORDER.spool is None:
        return
    above = parent.as_cell() if parent is not None else parent_cell()
    cell = [above[0], RECORDER.ids(), None, ""]
    if own is not None:
        cell[:2] = own.trace_id, own.span_id
        above = above if parent is not None else [own.trace_id, 0]
    added: dict[str, Any] = {ATTRIBUTES: dict(attributes)} if attributes else {}
    if error:
        added[STATUS], added[MESSAGE] = ERROR, error
    head, named = site_of(name, kind)
    added.update(named)
    if parent is not None and parent.remote:
        head |= REMOTE_PARENT
    cell[2] = added or None
    offset = time.perf_counter_ns() - time.time_ns()
    store(cell, head, above[1], start + offset, end + offset)


def site_of(name: str, kind: int) -> tuple[int, dict[str, str]]:
    """The head of a span that began at no place of ours, and what it has to carry of its name."""
    head = RECORDER.named(name, kind)
    return (head, {}) if head else (RECORDER.site(MANY, kind, "", "", 0), {NAME: name})
