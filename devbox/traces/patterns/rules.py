"""The patterns. Each rule sees a span with its children, or the whole trace, and is careful: a finding that
is wrong costs more trust than one that is missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from devbox.traces.analyse import Node
from devbox.traces.model import Operation, Span
from devbox.traces.patterns.model import Finding
from devbox.traces.render import duration

MANY = 5
"""Calls of the same kind from which on they are N+1."""
TELLING = 0.1
"""Part of the trace below which nothing is worth a word."""
RETRIES = 3
DELAYED_ACK = range(36_000_000, 47_000_000)
"""ns; Linux waits 40 ms before it acknowledges without data (net/tcp.h, TCP_DELACK_MIN is HZ/25)."""
LONG_WAIT = 10_000_000
SKEW = 2_000_000
OUTWARD = ("client", "producer")


def of_span(node: Node, least: int) -> Iterator[Finding]:
    """Patterns among the children of one span; `least` is the cost in ns below which nothing is said."""
    groups: dict[Operation, list[Node]] = defaultdict(list)
    for child in node.children:
        groups[child.span.operation].append(child)
    repeated = set()
    for operation, calls in groups.items():
        found = retry_storm(node, operation, calls) or many_calls(node, operation, calls, least)
        found = found or convoy(operation, calls, least)
        if found:
            repeated.add(operation)
            yield found
    rest = [child for child in node.children if child.span.operation not in repeated]
    yield from one_after_another(node, rest, least)
    for child in node.children:
        yield from queue_wait(node, child, least)
        yield from clock_skew(node, child)
        yield from delayed_ack(child)


def many_calls(node: Node, operation: Operation, calls: Sequence[Node], least: int) -> Finding | None:
    """The same call again and again, one after the other: N+1."""
    if len(calls) < MANY or not _outward(calls[0]) or not _in_turn(calls):
        return None
    cost = sum(call.span.duration for call in calls)
    if cost < least:
        return None
    return Finding(
        "N+1 calls",
        f"{node.span.operation.name} calls {operation.name} {len(calls)} times, one after the other:"
        f" {duration(cost)}",
        "ask once for all of them",
        [node.span.span_id, *(call.span.span_id for call in calls)],
        cost - cost // len(calls),
    )


def _outward(node: Node) -> bool:
    """Whether the span leaves its process: for another service, or for a database."""
    return _is_outward(node.span) or any(
        child.span.operation.kind == "server" or _is_outward(child.span) for child in node.children
    )


def _is_outward(span: Span) -> bool:
    """Statements are outward whatever kind they say they are: spans by hand rarely say any."""
    name = span.operation.name
    return span.operation.kind in OUTWARD or name.startswith("SQL ") or "db.system.name" in span.attributes


def _in_turn(calls: Sequence[Node]) -> bool:
    return all(one.span.end <= two.span.start for one, two in pairwise(calls))


def retry_storm(node: Node, operation: Operation, calls: Sequence[Node]) -> Finding | None:
    """The same call repeated because it failed."""
    failed = [call for call in calls if call.span.failed]
    if len(calls) < RETRIES or len(failed) < len(calls) - 1 or not _in_turn(calls):
        return None
    wasted = calls[-1].span.start - calls[0].span.start
    how = "failed every time" if len(failed) == len(calls) else "succeeded at last"
    return Finding(
        "retry storm",
        f"{operation.name} was tried {len(calls)} times and {how}: {duration(wasted)} of trying",
        "fewer tries, a longer pause between them, or a breaker: the callee is already in trouble",
        [node.span.span_id, *(call.span.span_id for call in calls)],
        wasted,
    )


def convoy(operation: Operation, calls: Sequence[Node], least: int) -> Finding | None:
    """Calls of one process that begin together and end one after the other, at even steps: something lets
    only one of them go on at a time.
    """
    if len(calls) < RETRIES or len({call.span.process for call in calls}) != 1 or not calls[0].span.process:
        return None
    ends = sorted(call.span.end for call in calls)
    starts = [call.span.start for call in calls]
    shortest = min(call.span.duration for call in calls)
    steps = [later - earlier for earlier, later in pairwise(ends)]
    cost = ends[-1] - min(starts) - shortest
    together = max(starts) - min(starts) < shortest / 2
    if not together or cost < least or min(steps) < shortest * 0.6 or max(steps) > shortest * 1.6:
        return None
    return Finding(
        "convoy",
        f"{len(calls)} calls of {operation.name} began together and ended one after the other,"
        f" {duration(shortest)} apart",
        "they wait for the same lock, or for the GIL: hold it shorter, or use processes",
        [call.span.span_id for call in calls],
        cost,
    )


def one_after_another(node: Node, calls: Sequence[Node], least: int) -> Iterator[Finding]:
    """Different calls to elsewhere that could run side by side."""
    outward = [call for call in calls if _outward(call) and call.span.duration >= least]
    services = {child.span.operation.service for call in outward for child in call.children}
    services.discard(node.span.operation.service)  # statements of its own
    if len(outward) < 2 or len(services) < 2 or not _in_turn(outward):
        return
    longest = max(call.span.duration for call in outward)
    gain = sum(call.span.duration for call in outward) - longest
    names = ", ".join(call.span.operation.name for call in outward)
    yield Finding(
        "serial calls",
        f"{node.span.operation.name} waits for {names} in turn",
        f"if none needs the other's answer, side by side saves {duration(gain)}",
        [node.span.span_id, *(call.span.span_id for call in outward)],
        gain,
    )


def queue_wait(node: Node, child: Node, least: int) -> Iterator[Finding]:
    """A message that waited longer than its handling took."""
    span = child.span
    if span.operation.kind != "consumer" or _before_it_was_sent(node, child):
        return
    drawn = "queued" in span.attributes or span.operation.name.startswith("in queue")
    wait = span.duration if drawn else span.start - node.span.end
    work = sum(one.span.duration for one in child.children) if drawn else span.duration
    if wait < max(least, LONG_WAIT) or wait < 2 * work:
        return
    yield Finding(
        "queue wait",
        f"the message for {span.operation.service} lay {duration(wait)} in the queue; its handling took"
        f" {duration(work)}",
        "more consumers, or faster ones: the producer is not the problem",
        [span.span_id],
        wait,
    )


def delayed_ack(node: Node) -> Iterator[Finding]:
    """A hop that takes 40 ms more than the other side's work."""
    if node.span.operation.kind != "client" or len(node.children) != 1:
        return
    (server,) = node.children
    lost = node.span.duration - server.span.duration
    # Beside a callee that works for longer, a process that is short of CPU loses as much.
    short = server.span.duration <= lost
    if server.span.operation.kind == "server" and short and lost in DELAYED_ACK:
        yield Finding(
            "delayed ACK",
            f"{node.span.operation.name} takes {duration(lost)} more than its callee's work",
            "Nagle waits 40 ms for a delayed acknowledgement: write in one piece, set TCP_NODELAY"
            " (seen in one trace only, it was chance)",
            [node.span.span_id, server.span.span_id],
            lost,
        )


def clock_skew(node: Node, child: Node) -> Iterator[Finding]:
    """A callee that began before it was called or answered after its caller had the answer; a message that
    lay in the queue before it was sent.
    """
    if node.span.process and node.span.process == child.span.process:
        return
    early, late = node.span.start - child.span.start, child.span.end - node.span.end
    if _before_it_was_sent(node, child):
        apart = -early
    elif child.span.operation.kind == "server" and child.span.duration <= node.span.duration:
        apart = (late - early) // 2 if max(early, late) >= SKEW else 0
    else:
        apart = 0
    if not apart:
        return
    ahead = "ahead of" if apart > 0 else "behind"
    one, other = child.span.operation.service, node.span.operation.service
    yield Finding(
        "clock skew",
        f"{one}'s clock is about {duration(abs(apart))} {ahead} {other}'s",
        "durations are right, only the places of bars are not; nothing was corrected",
        [child.span.span_id, node.span.span_id],
    )


def _before_it_was_sent(node: Node, child: Node) -> bool:
    return child.span.operation.kind == "consumer" and node.span.start - child.span.start >= SKEW


def missing_parents(roots: Sequence[Node]) -> Iterator[Finding]:
    """Spans whose parent never came."""
    orphans = [root for root in roots if root.missing]
    if orphans:
        some = "a span names a parent" if len(orphans) == 1 else f"{len(orphans)} spans name a parent"
        yield Finding(
            "missing parent",
            f"{some} that is not here",
            "a process of the chain does not record, was lost, or is not collected yet",
            [orphan.span.span_id for orphan in orphans],
        )
