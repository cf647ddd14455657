"""What one trace contributes to the sums over all traces: by function and by edge of the service map."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devbox.traces.analyse import uncovered
from devbox.traces.buckets import bucket
from devbox.traces.compact import compact
from devbox.traces.model import STATUSES, Operation

WINDOW = 15_000_000_000
"""ns of one step of a trend."""
OUTSIDE = "(outside)"
ENTRIES = ("server", "consumer")
FAILED = STATUSES.index("error")
TAG = 1 << 32
"""Tokens from here on are of attributes."""
LONGEST_VALUE = 200

Row = tuple[bytes, bytes | None, int, int, int, int, str | None]
"""A stored span: id, parent, operation, start, took, status, added."""


def token(key: str, value: Any) -> int:
    """Under which number an attribute is found; different attributes may share one, rarely."""
    return TAG + zlib.crc32(f"{key}={plain(value)[:LONGEST_VALUE]}".encode(errors="replace"))


def plain(value: Any) -> str:
    """An attribute's value as one would type it in a search."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


@dataclass(slots=True)
class Share:
    """`functions`: by (operation, bucket), both again, calls, errors, self time, as they are stored; `edges`:
    (caller, callee, road, bucket) -> calls, errors; `window`: the trend's step in which the trace began.
    """

    window: int = 0
    functions: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str, int], list[int]] = field(default_factory=dict)

    def packed(self) -> str:
        """As it is stored beside the trace."""
        edges = [[*key, *values] for key, values in self.edges.items()]
        return compact([self.window, list(self.functions.values()), edges])

    @classmethod
    def unpacked(cls, text: str | None) -> Share:
        """A stored one; of a trace that was never settled: nothing."""
        if not text:
            return cls()
        window, functions, edges = json.loads(text)
        return cls(
            window,
            {(one[0], one[1]): one for one in functions},
            {(one[0], one[1], one[2], one[3]): one[4:] for one in edges},
        )


def functions_of(shares: Sequence[str]) -> list[list[list[int]]]:
    """What stored shares say of functions: for each of them [operation, bucket, calls, errors, self time]
    many times. All are read at once, for there may be thousands.
    """
    return [functions for _, functions, _ in json.loads(f"[{','.join(shares)}]")]


def share_of(rows: Sequence[Row], operations: Mapping[int, Operation]) -> Share:
    """The share of a whole trace."""
    children: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    owner: dict[bytes, Operation] = {}
    for span, parent, operation, start, took, _, _ in rows:
        owner[span] = operations[operation]
        if parent:
            children[parent].append((start, start + took))
    share = Share(min(row[3] for row in rows) // WINDOW)
    functions = share.functions
    for row in rows:
        span, _, operation, start, took, status, _ = row
        has_children = span in children
        own = uncovered(start, start + took, children[span]) if has_children else took
        found = functions.get(key := (operation, bucket(own)))
        if found is None:
            functions[key] = [*key, 1, int(status == FAILED), own]
        else:
            found[2] += 1
            found[3] += status == FAILED
            found[4] += own
        edge = _edge(row, owner, has_children)
        if edge is not None:
            calls = share.edges.setdefault((*edge, bucket(took)), [0, 0])
            calls[0] += 1
            calls[1] += status == FAILED
    return share


def _edge(row: Row, owner: Mapping[bytes, Operation], has_children: bool) -> tuple[str, str, str] | None:
    """Caller, callee and road, for a span that was called from another service or that asks a database."""
    span, parent, *_, added = row
    operation = owner[span]
    if operation.kind in ENTRIES:
        above = owner.get(parent) if parent else None
        if above and above.kind == "consumer" and above.service == operation.service:
            return None  # the message's time in the queue is a bar of its own: one call, not two
        caller = above.service if above else OUTSIDE
        return caller, operation.service, road_of(operation.kind, _attributes(added, '"road"'))
    if operation.kind == "client" and not has_children:
        system = database_of(_attributes(added, '"db.system'))
        return (operation.service, system, "query") if system else None
    return None


def road_of(kind: str, attributes: Mapping[str, Any]) -> str:
    """How a call came in."""
    return str(attributes.get("road", "queue" if kind == "consumer" else "http"))


def database_of(attributes: Mapping[str, Any]) -> str:
    """The database that a client span asked, by OpenTelemetry's names for it (new and old), or ""."""
    return str(attributes.get("db.system.name") or attributes.get("db.system") or "")


def _attributes(added: str | None, hint: str) -> Mapping[str, Any]:
    """A stored span's attributes, read only when the hint occurs in their text."""
    found: Mapping[str, Any] = json.loads(added).get("a", {}) if added and hint in added else {}
    return found
