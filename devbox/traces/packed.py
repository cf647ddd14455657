"""Reads Python's marshal format, version 2, as far as the recorder writes it: a container's spool is not
trusted, and `marshal.loads` may crash on what it does not expect.

Format: CPython's Python/marshal.c, `w_complex_object`. One letter, then the value; little-endian.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any

_INT = Struct("<i").unpack_from
_FLOAT = Struct("<d").unpack_from
_DIGIT = Struct("<H")
_DEEPEST = 32

_STR, _SHORT, _LONG, _REAL, _BYTES = b"uilgs"
_LIST, _TUPLE, _DICT, _END = b"[({0"
_CONSTANTS = {ord("N"): None, ord("T"): True, ord("F"): False}


def unpack(data: bytes) -> dict[str, Any]:
    """The dictionary that `data` begins with.

    Raises `ValueError` when it does not begin with one, or when anything in it is not what the recorder
    writes.
    """
    try:
        if data[0] != _DICT:
            raise ValueError("not a dictionary")
        found: dict[str, Any] = _dictionary(data, 1, 0)[0]
    except (IndexError, error) as cut:
        raise ValueError("ends in the middle") from cut
    return found


def _dictionary(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while data[at] != _END:
        key, at = _value(data, at, depth)
        value, at = _value(data, at, depth)
        found[key if type(key) is str else str(key)] = value
    return found, at + 1


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind = data[at]
    if kind == _STR:
        start = at + 5
        end = start + _INT(data, at + 1)[0]
        return _piece(data, start, end).decode("utf-8", "replace"), end
    if kind == _SHORT:
        return _INT(data, at + 1)[0], at + 5
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at + 1
    if kind == _REAL:
        return _FLOAT(data, at + 1)[0], at + 9
    return _rarer(kind, data, at, depth)


def _rarer(kind: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth >= _DEEPEST:
        raise ValueError("nested too deep")
    if kind == _DICT:
        return _dictionary(data, at + 1, depth + 1)
    size = _INT(data, at + 1)[0]
    if kind == _LONG:
        return _long(data, at + 5, size)
    if kind == _BYTES:
        end = at + 5 + size
        return _piece(data, at + 5, end).decode("utf-8", "backslashreplace"), end
    if kind not in (_LIST, _TUPLE) or not 0 <= size <= len(data):
        raise ValueError(f"an unknown kind of value: {kind:#x}")
    at += 5
    items = []
    for _ in range(size):
        item, at = _value(data, at, depth + 1)
        items.append(item)
    return items, at


def _piece(data: bytes, start: int, end: int) -> bytes:
    if not start <= end <= len(data):
        raise ValueError("a length that goes beyond the end")
    return data[start:end]


def _long(data: bytes, at: int, digits: int) -> tuple[int, int]:
    # 15 bits a digit, the lowest first; a negative count is a negative number.
    end = at + 2 * abs(digits)
    value = 0
    for shift, (digit,) in enumerate(_DIGIT.iter_unpack(_piece(data, at, end))):
        value |= digit << 15 * shift
    return (-value if digits < 0 else value), end
