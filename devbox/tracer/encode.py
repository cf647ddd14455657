"""JSON, by the interpreter's C encoder alone: importing the `json` package would cost more than all of
this.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 4096
"""Longer attribute values are cut, and end in an ellipsis."""


def _default(value: object) -> object:
    """Whatever an application calls an attribute must not break it."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:LONGEST]).decode("utf-8", "backslashreplace")
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    try:
        return str(value)[:LONGEST]
    except Exception:  # noqa: BLE001 - a broken __str__ of the application's
        return object.__repr__(value)


def _string_encoder() -> Any:
    try:
        from _json import encode_basestring_ascii, make_encoder
    except ImportError:  # an interpreter without the C accelerator
        from json import JSONEncoder

        return JSONEncoder(default=_default, separators=(",", ":"), skipkeys=True).iterencode
    encode = make_encoder({}, _default, encode_basestring_ascii, None, ":", ",", False, True, True)
    return lambda value: encode(value, 0)


_encode = _string_encoder()


def dumps(value: object) -> str:
    """Compact ASCII JSON; what JSON cannot say becomes its `str`."""
    try:
        return "".join(_encode(value))
    except (
        ValueError,
        RecursionError,
        RuntimeError,
    ):  # circular, too deep, changed by another thread meanwhile
        return "".join(_encode({"unencodable": _default(value)}))


def cut(value: object) -> object:
    """`value` as an attribute: texts bounded in length."""
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "…"
    return value
