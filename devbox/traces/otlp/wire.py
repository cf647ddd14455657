"""ExportTraceServiceRequest in protocol buffers, read by hand: seven messages need no generated code.
(Wire format: protobuf.dev/programming-guides/encoding; messages: opentelemetry-proto's
trace/v1, common/v1 and resource/v1.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from devbox.traces.otlp.model import Group, Malformed, Raw, cut

_U64 = struct.Struct("<Q").unpack_from
_F64 = struct.Struct("<d").unpack_from
DEEPEST = 8
"""Levels of arrays and maps in an attribute; what is below is left out."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Field = tuple[int, Any]


def groups(body: bytes) -> list[Group]:
    """The spans of a request by resource. `Malformed` when it is none."""
    try:
        return [_group(value) for number, value in _fields(body) if number == 1]
    except (IndexError, struct.error, TypeError, UnicodeDecodeError, AttributeError) as error:
        raise Malformed(f"this is no ExportTraceServiceRequest: {error}") from None


def answer(rejected: int, why: str) -> bytes:
    """An ExportTraceServiceResponse; with a partial success when spans were rejected."""
    if not rejected:
        return b""
    text = why.encode()
    inner = b"\x08" + _varint_of(rejected) + b"\x12" + _varint_of(len(text)) + text
    return b"\x0a" + _varint_of(len(inner)) + inner


def status(text: str) -> bytes:
    """A google.rpc.Status with a message, as failures are answered."""
    said = text.encode()
    return b"\x12" + _varint_of(len(said)) + said


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of a message, in order: (number, value). Bytes stay bytes."""
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        at += 1
        if key > 127:
            key, at = _varint(data, at - 1)
        kind = key & 7
        if kind == _BYTES:
            size = data[at]
            at += 1
            if size > 127:
                size, at = _varint(data, at - 1)
            if at + size > end:
                raise IndexError("a field is longer than what it is in")
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == _FIXED64:
            yield key >> 3, _U64(data, at)[0]
            at += 8
        elif kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
        elif kind == _FIXED32:
            at += 4
        else:
            raise IndexError(f"wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("a number has no end")


def _varint_of(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _group(data: bytes) -> Group:
    found = Group({}, [])
    for number, value in _fields(data):
        if number == 1:
            found.resource = dict(_pair(one) for field, one in _fields(value) if field == 1)
        elif number == 2:
            found.spans += [_span(one) for field, one in _fields(value) if field == 2]
    return found


def _span(data: bytes) -> Raw:
    raw = Raw()
    for number, value in _fields(data):
        if number == 9:
            key, meant = _pair(value)
            raw.attributes[key] = meant
        elif number == 1:
            raw.trace_id = value.hex()
        elif number == 2:
            raw.span_id = value.hex()
        elif number == 4:
            raw.parent_id = value.hex()
        elif number == 5:
            raw.name = value.decode()
        elif number == 6:
            raw.kind = value
        elif number == 7:
            raw.start = value
        elif number == 8:
            raw.end = value
        elif number in _RARE:
            _RARE[number](raw, value)
    return raw


def _event(raw: Raw, data: bytes) -> None:
    at, name, about = 0, "", {}
    for number, value in _fields(data):
        if number == 1:
            at = value
        elif number == 2:
            name = value.decode()
        elif number == 3:
            key, meant = _pair(value)
            about[key] = meant
    raw.events.append((name, at, about))


def _link(raw: Raw, data: bytes) -> None:
    ids = {number: value.hex() for number, value in _fields(data) if number in (1, 2)}
    raw.links.append((ids.get(1, ""), ids.get(2, "")))


def _status(raw: Raw, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 2:
            raw.message = value.decode()
        elif number == 3:
            raw.status = value


def _state(raw: Raw, data: bytes) -> None:
    raw.tracestate = data.decode()


_RARE = {3: _state, 11: _event, 13: _link, 15: _status}


def _pair(data: bytes, depth: int = 0) -> tuple[str, Any]:
    key, meant = "", None
    for number, value in _fields(data):
        if number == 1:
            key = value.decode()
        elif number == 2:
            meant = _value(value, depth)
    return cut(key), meant


def _value(data: bytes, depth: int) -> Any:
    for number, value in _fields(data):
        if number == 1:
            return cut(value.decode())
        if number == 2:
            return bool(value)
        if number == 3:
            return value - (1 << 64) if value >> 63 else value
        if number == 4:
            return _F64(value.to_bytes(8, "little"))[0]
        if number == 7:
            return cut(value.hex())
        if depth < DEEPEST and number == 5:
            return [_value(one, depth + 1) for field, one in _fields(value) if field == 1]
        if depth < DEEPEST and number == 6:
            return dict(_pair(one, depth + 1) for field, one in _fields(value) if field == 1)
    return None
