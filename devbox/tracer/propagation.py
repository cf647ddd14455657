"""How a trace goes from process to process: W3C Trace Context (traceparent, tracestate; level 2) and Baggage.

One carrier interface for all roads: to write, anything with `carrier[name] = text`; to read, a mapping or
(name, value) pairs, texts or bytes, names in any case. So HTTP headers, message headers, RPC frames, gRPC
metadata and a child's environment all use `inject` and `extract`.
"""

from __future__ import annotations

import os
from contextvars import ContextVar

from .recorder import CURRENT, RECORDER

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
MOST_MEMBERS = 32
MOST_BAGGAGE = 64
MOST_BAGGAGE_BYTES = 8192

_HEX = frozenset("0123456789abcdef")
_KEY_START = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY = _KEY_START | frozenset("_-*/@")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BAGGAGE_VALUE = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('",;\\%')

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
    baggage = parse_baggage(",".join(fields[BAGGAGE]))
    found = parse_traceparent(fields[TRACEPARENT][0]) if len(fields[TRACEPARENT]) == 1 else None
    if found is None:
        return SpanContext(baggage=baggage, remote=True)
    return SpanContext(*found, parse_tracestate(",".join(fields[TRACESTATE])), baggage, remote=True)


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


def parse_traceparent(value: str) -> tuple[bytes, int] | None:
    """Trace id and parent id; None when invalid (W3C trace-context 3.2.2 and 4.3, versions above 00
    included).
    """
    value = value.strip(" \t")
    version = value[:2]
    if len(value) < 55 or version == "ff" or value[2] + value[35] + value[52] != "---":
        return None
    if len(value) > 55 and (version == "00" or value[55] != "-"):
        return None
    if not _HEX.issuperset(version + value[3:35] + value[36:52] + value[53:55]):
        return None
    trace, span = bytes.fromhex(value[3:35]), int(value[36:52], 16)
    return (trace, span) if any(trace) and span else None


def parse_tracestate(value: str) -> str:
    """The list as we pass it on; "" when anything in it is invalid, as 3.3.1 allows and 4.3 says."""
    kept: dict[str, str] = {}
    members = [one for one in (part.strip(" \t") for part in value.split(",")) if one]
    if len(members) > MOST_MEMBERS:
        return ""
    for member in members:
        key, equals, content = member.partition("=")
        if not equals or not _valid_key(key) or not _valid_value(content):
            return ""
        kept.setdefault(key, content)
    return ",".join(f"{key}={content}" for key, content in kept.items())


def _valid_key(key: str) -> bool:
    # Level 2, 3.3.1.3.1: one key grammar, 256 characters; level 1 allowed tenant@vendor with 241 and 14.
    tenant, at, vendor = key.partition("@")
    if not key or len(key) > 256 or key[0] not in _KEY_START or not _KEY.issuperset(key):
        return False
    return not at or (
        0 < len(tenant) <= 241 and 0 < len(vendor) <= 14 and "@" not in vendor and vendor[0].isalpha()
    )


def _valid_value(value: str) -> bool:
    return 0 < len(value) <= 256 and all(" " <= letter <= "~" and letter not in ",=" for letter in value)


def parse_baggage(value: str) -> tuple[tuple[str, str], ...]:
    """Members of a baggage header (W3C Baggage 3.2); invalid members are left out, properties are dropped."""
    if not value or len(value) > MOST_BAGGAGE_BYTES:
        return ()
    found: dict[str, str] = {}
    for member in value.split(",")[:MOST_BAGGAGE]:
        key, equals, content = member.split(";", 1)[0].partition("=")
        key = key.strip(" \t")
        if equals and key and _TOKEN.issuperset(key):
            found[key] = _unquote(content.strip(" \t"))
    return tuple(found.items())


def format_baggage(members: Iterable[tuple[str, str]]) -> str:
    """A baggage header; values percent-encoded, members beyond the header's bounds left out."""
    kept: list[str] = []
    room = MOST_BAGGAGE_BYTES
    for key, value in members:
        one = f"{key}={_quote(value)}"
        room -= len(one) + 1
        if room >= 0 and len(kept) < MOST_BAGGAGE:
            kept.append(one)
    return ",".join(kept)


def _quote(value: str) -> str:
    return "".join(
        letter
        if letter in _BAGGAGE_VALUE
        else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "replace"))
        for letter in value
    )


def _unquote(value: str) -> str:
    head, *rest = value.split("%")
    data = head.encode("utf-8", "replace")
    for part in rest:
        try:
            data += bytes.fromhex(part[:2]) + part[2:].encode("utf-8", "replace")
        except ValueError:
            data += b"%" + part.encode("utf-8", "replace")
    return data.decode("utf-8", "replace")


def baggage() -> dict[str, str]:
    """The baggage that travels with the current work."""
    return dict(_BAGGAGE.get())


def set_baggage(key: str, value: str) -> None:
    """Let `key` (an RFC 7230 token) travel along from here on, in this context."""
    if not key or not _TOKEN.issuperset(key):
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
