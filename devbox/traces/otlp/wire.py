"""ExportTraceServiceRequest in protocol buffers, read by hand: seven messages need no generated code.
(Wire format: protobuf.dev/programming-guides/encoding; messages: opentelemetry-proto's
trace/v1, common/v1 and resource/v1.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from devbox.traces.otlp.model import Group, Malformed, Raw, cut

_IDS = struct.Struct("<2s16s2s8s").unpack_from
_TIMES = struct.Struct("<BBBQBQ").unpack_from
_U64 = struct.Struct("<Q").unpack_from
_F64 = struct.Struct("<d").unpack_from
DEEPEST = 8
"""Levels of arrays and maps in an attribute; what is below is left out."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_NAME, _ATTRIBUTE = 0x2A, 0x4A
"""A span's fields 5 and 9 as they begin: number and wire type in one byte."""

Field = tuple[int, Any]
Known = dict[bytes, tuple[str, Any]]
"""Attributes that this request had already: most come again and again."""


def groups(body: bytes) -> list[Group]:
    """The spans of a request by resource. `Malformed` when it is none."""
    known: Known = {}
    try:
        return [_group(value, known) for number, value in _fields(body) if number == 1]
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


def _fields(data: bytes, at: int = 0) -> Iterator[Field]:
    """The fields of a message, in order, from `at` on: (number, value). Bytes stay bytes."""
    end = len(data)
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


def _group(data: bytes, known: Known) -> Group:
    found = Group({}, [])
    for number, value in _fields(data):
        if number == 1:
            found.resource = dict(_pair(one) for field, one in _fields(value) if field == 1)
        elif number == 2:
            found.spans += [_span(one, known) for field, one in _fields(value) if field == 2]
    return found


def _span(data: bytes, known: Known) -> Raw:
    raw, at = _usual(data)
    end = len(data)
    attributes = raw.attributes
    while at < end and data[at] == _ATTRIBUTE:
        size = data[at + 1]
        at += 2
        if size > 127:
            size, at = _varint(data, at - 1)
        pair = data[at : at + size]
        at += size
        if at > end:
            raise IndexError("an attribute is longer than its span")
        found = known.get(pair)
        if found is None:
            found = known[pair] = _pair(pair)
        attributes[found[0]] = found[1]
    for number, value in _fields(data, at):
        if number in _SCALAR:
            setattr(raw, _SCALAR[number], _number(value))
        elif number in _OTHER:
            _OTHER[number](raw, value)
    return raw


def _usual(data: bytes) -> tuple[Raw, int]:
    """A span that begins as exporters write it, in the order of the fields' numbers, and where its other
    fields are; an empty one and 0 for all of them when it begins in another way.
    """
    at = 38 if data[28:30] == b'"\x08' else 28
    if len(data) < at + 22 or data[at] != _NAME or data[at + 1] > 127:
        return Raw(), 0
    first, trace, second, span = _IDS(data)
    times = at + 2 + data[at + 1]
    if first != b"\n\x10" or second != b"\x12\x08" or len(data) < times + 20:
        return Raw(), 0
    kind_mark, kind, start_mark, start, end_mark, end = _TIMES(data, times)
    if (kind_mark, start_mark, end_mark) != (0x30, 0x39, 0x41) or kind > 127:
        return Raw(), 0
    parent = data[30:38].hex() if at == 38 else ""
    name = data[at + 2 : times].decode()
    return Raw(trace.hex(), span.hex(), parent, name, kind, start, end), times + 20


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("bytes where a number belongs")
    return value


def _event(raw: Raw, data: bytes) -> None:
    at, name, about = 0, "", {}
    for number, value in _fields(data):
        if number == 1:
            at = _number(value)
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
            raw.status = _number(value)


def _state(raw: Raw, data: bytes) -> None:
    raw.tracestate = data.decode()


def _attribute(raw: Raw, data: bytes) -> None:
    key, meant = _pair(data)
    raw.attributes[key] = meant


def _trace_id(raw: Raw, data: bytes) -> None:
    raw.trace_id = data.hex()


def _span_id(raw: Raw, data: bytes) -> None:
    raw.span_id = data.hex()


def _parent_id(raw: Raw, data: bytes) -> None:
    raw.parent_id = data.hex()


def _name(raw: Raw, data: bytes) -> None:
    raw.name = data.decode()


_SCALAR = {6: "kind", 7: "start", 8: "end"}
_OTHER = {
    1: _trace_id, 2: _span_id, 3: _state, 4: _parent_id, 5: _name,
    9: _attribute, 11: _event, 13: _link, 15: _status,
}  # fmt: skip


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
