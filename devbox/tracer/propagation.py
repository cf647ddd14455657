"""How a trace goes from process to process: W3C Trace Context (traceparent, tracestate; level 2) and Baggage.

One carrier interface for all roads: to write, anything with `carrier[name] = text`; to read, a mapping or
(name, value) pairs, texts or bytes, names in any case. So HTTP headers, message headers, RPC frames, gRPC
metadata and a child's environment all use `inject` and `extract`.
"""

from __future__ import annotations

import os
from contextvars import ContextVar

from .recorder import CURRENT, RECORDER
from .w3c import format_baggage, is_token, parse_baggage, parse_traceparent, parse_tracestate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping
    from contextvars import Token
    from typing import Any

    from .recorder import Cell

    Carrier = Mapping[Any, Any] | Iterable[tuple[Any, Any]]

TRACEPARENT, TRACESTATE, BAGGAGE = "traceparent", "tracestate", "baggage"
FLAGS = "03"
"""What we send: sampled, because everything is recorded, and random, because our trace ids are (level 2,
3.2.2.5).
"""

_BAGGAGE: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("devbox.baggage", default=())


class SpanContext:
    """Where a span stands: trace, span, tracestate, and the baggage that came with it. False when empty."""

    __slots__ = ("baggage", "remote", "span_id", "trace_id", "tracestate")

    def __init__(
        self,
        trace_id: bytes = b"",
        span_id: int = 0,
        tracestate: str = "",
        baggage: tuple[tuple[str, str], ...] = (),
        remote: bool = False,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.tracestate = tracestate
        self.baggage = baggage
        self.remote = remote

    def __bool__(self) -> bool:
        return self.span_id != 0

    def __repr__(self) -> str:
        return f"SpanContext({self.trace_id.hex()}, {self.span_id:016x}, {self.tracestate!r})"

    def as_cell(self) -> Cell:
        """As a parent for new spans; an empty one begins a new trace."""
        if self.span_id:
            return [self.trace_id, self.span_id, None, self.tracestate]
        return [RECORDER.new_trace(), 0, None, ""]


def _fields(carrier: Carrier) -> dict[str, list[str]]:
    pairs: Any = carrier.items() if hasattr(carrier, "items") else carrier
    found: dict[str, list[str]] = {TRACEPARENT: [], TRACESTATE: [], BAGGAGE: []}
    for name, value in pairs:
        key = _text(name).lower()
        if key in found:
            found[key] += (
                [_text(one) for one in value] if isinstance(value, (list, tuple)) else [_text(value)]
            )
    return found


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def extract(carrier: Carrier) -> SpanContext:
    """What a caller sent along; empty (false) when there was nothing or nothing valid. Never raises on
    content.
    """
    fields = _fields(carrier)
    parents = fields[TRACEPARENT]
    parent = parents[0] if len(parents) == 1 else ""
    return received(parent, ",".join(fields[TRACESTATE]), ",".join(fields[BAGGAGE]))


def received(parent: str, state: str, members: str) -> SpanContext:
    """The same from the three fields' texts, empty where there were none."""
    baggage = parse_baggage(members) if members else ()
    found = parse_traceparent(parent) if parent else None
    if found is None:
        return SpanContext(baggage=baggage, remote=True)
    return SpanContext(*found, parse_tracestate(state) if state else "", baggage, True)


def inject(carrier: MutableMapping[str, str]) -> None:
    """Write the active span, its tracestate and the baggage into `carrier`. Nothing active: nothing
    written.
    """
    cell = CURRENT.get() or RECORDER.root
    if cell is not None and cell[1]:
        carrier[TRACEPARENT] = f"00-{cell[0].hex()}-{cell[1]:016x}-{FLAGS}"
        if cell[3]:
            carrier[TRACESTATE] = cell[3]
    members = _BAGGAGE.get()
    if members:
        carrier[BAGGAGE] = format_baggage(members)


def headers() -> list[tuple[str, str]]:
    """What `inject` would write, as pairs."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return list(carrier.items())


def child_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment for a child process that continues the active trace (TRACEPARENT, TRACESTATE,
    BAGGAGE).
    """
    env = dict(os.environ if base is None else base)
    for name in (TRACEPARENT, TRACESTATE, BAGGAGE):
        env.pop(name.upper(), None)
    env.update((name.upper(), value) for name, value in headers())
    return env


def from_environment(env: Mapping[str, str]) -> Cell | None:
    """The parent that a parent process gave us, for spans that have no other."""
    names = (TRACEPARENT, TRACESTATE, BAGGAGE)
    found = extract({name: env[name.upper()] for name in names if name.upper() in env})
    if found.baggage and not _BAGGAGE.get():
        _BAGGAGE.set(found.baggage)
    return found.as_cell() if found else None


def baggage() -> dict[str, str]:
    """The baggage that travels with the current work."""
    return dict(_BAGGAGE.get())


def set_baggage(key: str, value: str) -> None:
    """Let `key` (an RFC 7230 token) travel along from here on, in this context."""
    if not is_token(key):
        raise ValueError(f"not a baggage key: {key!r}")
    _BAGGAGE.set(tuple({**dict(_BAGGAGE.get()), key: value}.items()))


def enter_baggage(members: tuple[tuple[str, str], ...]) -> Token[tuple[tuple[str, str], ...]]:
    """Make `members` the current baggage; undo with `leave_baggage`."""
    return _BAGGAGE.set(members)


def leave_baggage(token: Token[tuple[tuple[str, str], ...]]) -> None:
    """Undo `enter_baggage`."""
    _BAGGAGE.reset(token)


class attached:
    """Work for a remote caller, without a span of our own: spans inside continue the caller's trace."""

    __slots__ = ("_context", "_tokens")

    def __init__(self, context: SpanContext) -> None:
        self._context = context

    def __enter__(self) -> SpanContext:
        cell = self._context.as_cell() if self._context else None
        self._tokens: Any = CURRENT.set(cell), enter_baggage(self._context.baggage)
        return self._context

    def __exit__(self, *_: object) -> None:
        CURRENT.reset(self._tokens[0])
        leave_baggage(self._tokens[1])
