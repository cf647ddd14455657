"""How each fault looks in the traces: what somebody sees who does not know which one is on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from devbox.traces.model import Span

MS = 1_000_000
Spans = Sequence[Span]


def named(spans: Iterable[Span], name: str, kind: str = "") -> list[Span]:
    """The spans of that name (and kind)."""
    return [one for one in spans if one.operation.name == name and kind in ("", one.operation.kind)]


def children(spans: Spans) -> dict[str, list[Span]]:
    """Spans by the id of the one above them."""
    found: dict[str, list[Span]] = defaultdict(list)
    for one in spans:
        found[one.parent_id].append(one)
    return found


def own(span: Span, below: Iterable[Span]) -> int:
    """The time of a span in which none of those below it ran, in ns."""
    time, at = span.duration, span.start
    for one in sorted(below, key=lambda one: one.start):
        start, end = max(one.start, at), min(one.end, span.end)
        if end > start:
            time, at = time - (end - start), end
    return time


def self_times(spans: Spans, name: str, kind: str = "") -> list[int]:
    """The own times of the spans of that name, in ns."""
    below = children(spans)
    return [own(one, below[one.span_id]) for one in named(spans, name, kind)]


def middle(times: Sequence[int]) -> int:
    """The one in the middle: one that a busy machine held up says nothing."""
    return sorted(times)[len(times) // 2]


def _delay(spans: Spans) -> bool:
    return middle(self_times(spans, "Payments.charge")) >= 200 * MS


def _errors(spans: Spans) -> bool:
    above = {one.trace_id for one in spans if one.operation.service == "gateway" and one.failed}
    red = {one.trace_id for one in named(spans, "Users.find") if one.failed}
    return bool(red) and red <= above


def _burn(spans: Spans) -> bool:
    return middle(self_times(spans, "Payments._assess_risk")) >= 100 * MS


def _lock(spans: Spans) -> bool:
    """Some waited for another one's turn before their own."""
    return max(self_times(spans, "Payments._book")) >= 2 * 50 * MS


def _pool(spans: Spans) -> bool:
    return max(one.duration for one in named(spans, "Store.borrow")) >= 30 * MS


def _n_plus_one(spans: Spans) -> bool:
    below = children(spans)
    most = max(len(named(below[one.span_id], "Orders.get")) for one in named(spans, "Orders.latest"))
    return most >= 12


def _slow_query(spans: Spans) -> bool:
    slow = [one.duration for one in named(spans, "SQL SELECT payments")]
    return max(slow) > 10 * middle([one.duration for one in named(spans, "SQL SELECT orders")])


def _leak(spans: Spans) -> bool:
    """It only remembers a price, and yet takes longer than a statement in a database."""
    return middle(self_times(spans, "Catalogue.price")) >= 10 * MS


def _retry_storm(spans: Spans) -> bool:
    tries = Counter(one.parent_id for one in named(spans, "rest users.find", "client") if one.failed)
    return max(tries.values()) >= 10


def _queue_stuck(spans: Spans) -> bool:
    waits = [one.duration for one in named(spans, "in queue notify")]
    works = [one.duration for one in named(spans, "Notifications.order_paid")]
    return max(waits) >= 300 * MS and max(waits) > 10 * max(works)


def _poison(spans: Spans) -> bool:
    again = Counter(one.trace_id for one in named(spans, "Notifications.order_paid") if one.failed)
    return max(again.values()) == 5


def _payment_down(spans: Spans) -> bool:
    asked = [one for one in named(spans, "rpc payments.charge", "client") if one.failed]
    below = children(spans)
    alone = [one for one in asked if not below[one.span_id] and one.duration >= 1_900 * MS]
    resumed = {one.trace_id for one in named(spans, "resume order")}
    return bool(alone) and bool({one.trace_id for one in alone} & resumed)


def _slow_dns(spans: Spans) -> bool:
    """Before call after call, not once as for a connection that is kept (some were, from before)."""
    return sum(one.duration >= 100 * MS for one in named(spans, "resolve")) >= 6


def _delayed_ack(spans: Spans) -> bool:
    return middle(self_times(spans, "rpc payments.charge", "client")) >= 35 * MS


def _clock_skew(spans: Spans) -> bool:
    by_id = {one.span_id: one for one in spans}
    bars = [one for one in named(spans, "in queue notify") if one.parent_id in by_id]
    return bool(bars) and all(one.start < by_id[one.parent_id].start - 400 * MS for one in bars)


def _cache_off(spans: Spans) -> bool:
    """Every price was looked up, where three customers who order the same need it once."""
    below = children(spans)
    looks = [len(named(below[one.span_id], "Catalogue._look_up")) for one in named(spans, "Catalogue.price")]
    return len(looks) >= 10 and set(looks) == {1}


PATTERNS: dict[str, Callable[[Spans], bool]] = {
    "delay": _delay,
    "errors": _errors,
    "burn": _burn,
    "lock": _lock,
    "pool": _pool,
    "n+1": _n_plus_one,
    "slow-query": _slow_query,
    "leak": _leak,
    "retry-storm": _retry_storm,
    "queue-stuck": _queue_stuck,
    "poison": _poison,
    "payment-down": _payment_down,
    "slow-dns": _slow_dns,
    "delayed-ack": _delayed_ack,
    "clock-skew": _clock_skew,
    "cache-off": _cache_off,
}
"""By the fault's name: whether its pattern is in these spans."""
