"""OpenTelemetry: an application's own spans and ours in one trace, whichever is inside of the other.

Context: its runtime context is pluggable; ours wraps the one in use. A span made current there becomes the
active span here, and the active span here is what `get_current` answers there. Spans: a span processor on
every
`TracerProvider` keeps ended ones in the spool too; the application's exporters go on as they are.
"""

from __future__ import annotations

import time

from ..layout import ATTRIBUTES, EVENTS, LINKS, MESSAGE, REMOTE_PARENT, STATUS
from ..making import site_of
from ..recorder import CURRENT, RECORDER
from ..spans import store
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt_opentelemetry_context(module: ModuleType) -> None:
    """The runtime context that `attach`, `detach` and `get_current` use."""
    module._RUNTIME_CONTEXT = _Context(module._RUNTIME_CONTEXT)  # type: ignore[attr-defined]


class _Context:
    """Implements opentelemetry.context.context.RuntimeContext."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def attach(self, context: Any) -> Any:
        from opentelemetry.trace import get_current_span

        token = self._inner.attach(context)
        found = get_current_span(context).get_span_context()
        active = CURRENT.get()
        if RECORDER.spool is None or not found.is_valid or (active and active[1] == found.span_id):
            return token, None
        state = found.trace_state.to_header() if found.trace_state else ""
        return token, CURRENT.set([found.trace_id.to_bytes(16, "big"), found.span_id, None, state])

    def detach(self, token: Any) -> None:
        if not isinstance(token, tuple):  # attached before we came
            self._inner.detach(token)
            return
        self._inner.detach(token[0])
        if token[1] is not None:
            CURRENT.reset(token[1])

    def get_current(self) -> Any:
        from opentelemetry.trace import get_current_span

        context = self._inner.get_current()
        cell = CURRENT.get()
        if cell is None or not cell[1] or get_current_span(context).get_span_context().span_id == cell[1]:
            return context
        return _with(cell, context)


def _with(cell: Any, context: Any) -> Any:
    from opentelemetry import trace

    here = trace.SpanContext(
        int.from_bytes(cell[0], "big"),
        cell[1],
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
        trace_state=trace.TraceState.from_header([cell[3]] if cell[3] else []),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(here), context)


def adapt_opentelemetry_sdk_trace(module: ModuleType) -> None:
    """Every provider gets one processor more."""

    def make(original: Any) -> Any:
        def wrapper(self: Any, *args: Any, **more: Any) -> None:
            original(self, *args, **more)
            self.add_span_processor(keeper)

        return wrapper

    keeper = type("Keeper", (module.SpanProcessor,), {"on_end": staticmethod(_keep)})()
    replace(module.TracerProvider, "__init__", make)


def _keep(span: Any) -> None:
    if RECORDER.spool is None:
        return
    offset = time.perf_counter_ns() - time.time_ns()
    own, parent = span.get_span_context(), span.parent
    head, named = site_of(span.name, span.kind.value + 1)  # its kinds count from 0, those of OTLP from 1
    if parent is not None and parent.is_remote:
        head |= REMOTE_PARENT
    added = {**named, **_added(span, offset)}
    cell = [own.trace_id.to_bytes(16, "big"), own.span_id, added or None, ""]
    store(cell, head, parent.span_id if parent else 0, span.start_time + offset, span.end_time + offset)


def _added(span: Any, offset: int) -> dict[str, Any]:
    events = [[one.name, one.timestamp + offset, dict(one.attributes or {})] for one in span.events]
    links = [
        [f"{one.context.trace_id:032x}", f"{one.context.span_id:016x}", dict(one.attributes or {})]
        for one in span.links
    ]
    found = {
        ATTRIBUTES: dict(span.attributes or {}),
        EVENTS: events,
        LINKS: links,
        STATUS: span.status.status_code.value,
        MESSAGE: span.status.description or "",
    }
    return {key: value for key, value in found.items() if value}
