"""ExportTraceServiceRequest in JSON: ids in hex, 64-bit numbers as texts or numbers, unknown keys ignored."""

from __future__ import annotations

import json
from typing import Any

from devbox.traces.model import KINDS, STATUSES
from devbox.traces.otlp.model import Group, Malformed, Raw, cut

DEEPEST = 8


def groups(body: bytes) -> list[Group]:
    """The spans of a request by resource. `Malformed` when it is none."""
    try:
        document = json.loads(body)
        return [_group(one) for one in document.get("resourceSpans", ())]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise Malformed(f"this is no ExportTraceServiceRequest in JSON: {error}") from None


def answer(rejected: int, why: str) -> bytes:
    """An ExportTraceServiceResponse; with a partial success when spans were rejected."""
    if not rejected:
        return b"{}"
    return json.dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}}).encode()


def status(text: str) -> bytes:
    """A google.rpc.Status with a message, as failures are answered."""
    return json.dumps({"message": text}).encode()


def _group(data: dict[str, Any]) -> Group:
    resource = _attributes((data.get("resource") or {}).get("attributes"))
    scopes = data.get("scopeSpans") or data.get("instrumentationLibrarySpans") or ()
    return Group(resource, [_span(one) for scope in scopes for one in scope.get("spans", ())])


def _span(data: dict[str, Any]) -> Raw:
    status = data.get("status") or {}
    return Raw(
        _id(data.get("traceId")),
        _id(data.get("spanId")),
        _id(data.get("parentSpanId")),
        str(data.get("name", "")),
        _enum(data.get("kind"), "SPAN_KIND_", KINDS),
        int(data.get("startTimeUnixNano") or 0),
        int(data.get("endTimeUnixNano") or 0),
        _enum(status.get("code"), "STATUS_CODE_", STATUSES),
        str(status.get("message", "")),
        str(data.get("traceState", "")),
        _attributes(data.get("attributes")),
        [
            (str(one.get("name", "")), int(one.get("timeUnixNano") or 0), _attributes(one.get("attributes")))
            for one in data.get("events") or ()
        ],
        [(_id(one.get("traceId")), _id(one.get("spanId"))) for one in data.get("links") or ()],
    )


def _id(value: Any) -> str:
    """An id in hex; what is none becomes an id that is refused."""
    text = str(value or "").lower()
    return text if all(letter in "0123456789abcdef" for letter in text) else "?"


def _enum(value: Any, prefix: str, names: tuple[str, ...]) -> int:
    """Enums are numbers in OTLP's JSON; some senders write their names."""
    if isinstance(value, str) and value.startswith(prefix):
        name = value[len(prefix) :].lower()
        return names.index(name) if name in names else 0
    return int(value or 0)


def _attributes(listed: Any, depth: int = 0) -> dict[str, Any]:
    return {cut(str(one["key"])): _value(one.get("value"), depth) for one in listed or ()}


def _value(value: Any, depth: int) -> Any:
    if not value:
        return None
    kind, meant = next(iter(value.items()))
    if kind == "intValue":
        return int(meant)
    if kind in ("boolValue", "doubleValue"):
        return meant
    if kind == "arrayValue" and depth < DEEPEST:
        return [_value(one, depth + 1) for one in meant.get("values") or ()]
    if kind == "kvlistValue" and depth < DEEPEST:
        return _attributes(meant.get("values"), depth + 1)
    return cut(str(meant)) if kind in ("stringValue", "bytesValue") else None
