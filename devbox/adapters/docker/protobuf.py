"""Protocol buffers by hand: the few messages of BuildKit need no generated code.

Wire format: protobuf.dev/programming-guides/encoding. Unknown fields are kept aside, so newer engines do no
harm.
"""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Fields = dict[int, list["int | bytes"]]


def fields(message: bytes) -> Fields:
    """The fields of a message by number, each with all its values in order."""
    found: Fields = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, at = int.from_bytes(message[at : at + size], "little"), at + size
        else:
            raise ValueError(f"wire type {kind} is not used by BuildKit")
        found.setdefault(key >> 3, []).append(value)
    return found


def message(values: dict[int, int | bytes]) -> bytes:
    """A message; zeros and empty bytes are left out, as proto3 does."""
    return b"".join(_field(number, value) for number, value in values.items() if value)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _written(number << 3 | _VARINT) + _written(value)
    return _written(number << 3 | _BYTES) + _written(len(value)) + value


def messages(found: Fields, number: int) -> list[bytes]:
    """All values of a field of texts, bytes or messages."""
    return [value for value in found.get(number, []) if isinstance(value, bytes)]


def data(found: Fields, number: int) -> bytes:
    """The last value of a field of bytes, b"" when absent."""
    values = messages(found, number)
    return values[-1] if values else b""


def text(found: Fields, number: int) -> str:
    """The last value of a field of text, "" when absent."""
    return data(found, number).decode(errors="replace")


def number(found: Fields, key: int) -> int:
    """The last value of a field of numbers, 0 when absent."""
    values = [value for value in found.get(key, []) if isinstance(value, int)]
    return values[-1] if values else 0


def _varint(source: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = source[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
