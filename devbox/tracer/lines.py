"""Lines of the meta file: JSON by the interpreter's C encoder alone, since importing `json` costs 3 ms."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _encoder() -> Any:
    try:
        from _json import encode_basestring_ascii, make_encoder
    except ImportError:  # an interpreter without the C accelerator
        from json import JSONEncoder

        return JSONEncoder(default=str).encode
    encode = make_encoder({}, str, encode_basestring_ascii, None, ":", ",", False, True, True)
    return lambda value: "".join(encode(value, 0))


def line(value: dict[str, Any]) -> str:
    """One line of ASCII; what JSON cannot say becomes its `str`."""
    return str(_encoder()(value)) + "\n"
