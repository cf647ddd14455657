"""JSON without spaces, for what is stored with every span: `json.dumps` and `JSONEncoder.encode` set up a new
encoder for each value, which takes longer than the writing.
"""

from __future__ import annotations

import json.encoder
from collections.abc import Callable
from typing import Any


def _made() -> Callable[[Any], str]:
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter without the C accelerator
        return json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
    encode = make(None, str, json.encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(encode(value, 0))


compact = _made()
"""The text of a value; what JSON cannot say becomes its `str`."""
