"""Requests, responses and routes: what a page's server speaks in. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request, its body already read. Header names are in lower case; of a repeated query key the
    last value counts.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. A length, and what keeps browsers from guessing, are added when it is sent."""

    body: bytes = b""
    type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(data: Any, status: int = 200) -> Response:
    """`data` as a JSON document."""
    text = json.dumps(data, separators=(",", ":"), default=str)
    return Response(text.encode(), "application/json", status)


class Refused(Exception):
    """A request that is answered with an error status and a sentence that says why."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers

    def response(self) -> Response:
        """The answer to send."""
        body = json.dumps({"error": self.why}).encode()
        return Response(body, "application/json", self.status, self.headers)


Handler = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Route:
    """`handler(request, **parts)` for paths like `/trace/{trace}`; a part never holds a slash unless it is
    written `{rest*}`. `largest` bounds the body in bytes, as it comes over the wire.
    """

    method: str
    pattern: str
    handler: Handler
    largest: int = MEBIBYTE

    def match(self, path: str) -> dict[str, str] | None:
        """The path's parts, or None."""
        pattern = re.sub(r"\\{(\w+)(\\\*)?\\}", _part, re.escape(self.pattern))
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


def _part(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"
