"""Taking out of a bug report what is nobody's business: secrets, addresses, names of hosts and people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
_ASSIGNED = re.compile(
    r"""(?P<key>["']?[\w.-]*(?:passw(?:or)?d|secret|token|api_?key|credential|private)[\w.-]*["']?\s*[:=]\s*)"""
    r"""(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,}\]]+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"
)
_LOOPBACK = re.compile(r"(?:127\.(?:\d+\.){2}\d+|0\.0\.0\.0|::1?)$")
_CLOCK = re.compile(r"\d{1,2}:\d{2}:\d{2}$")
_PLACES = ("environment", "args", "secrets")
"""Keys of devbox.yaml whose values are the user's own and may be anything."""


class Redactor:
    """Replaces each thing by the same placeholder everywhere, so that a report still hangs together."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names` are words to hide wherever they stand alone: host names, users."""
        self._names = sorted({one for one in names if len(one) > 1 and one != "root"}, key=len, reverse=True)
        self._seen: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without what must not leave."""
        text = _PEM.sub(lambda found: f"<{found[1].lower()}>", text)
        text = _URL_PASSWORD.sub("<user>@", text)
        text = _BEARER.sub(r"\1 <secret>", text)
        text = _ASSIGNED.sub(r"\g<key><secret>", text)
        for name in self._names:
            text = re.sub(
                rf"(?<![\w-]){re.escape(name)}(?![\w-])", lambda found: self._mark("name", found[0]), text
            )
        for pattern in (_IPV4, _IPV6):
            text = pattern.sub(lambda found: self._address(found[0]), text)
        return text

    def data(self, value: Any) -> Any:
        """The same for JSON values, keys left alone; the user's own values are taken out whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                key: _emptied(member) if key in _PLACES else self.data(member)
                for key, member in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.data(member) for member in value]
        return value

    def _address(self, text: str) -> str:
        harmless = _LOOPBACK.match(text) or _CLOCK.match(text)
        return text if harmless else self._mark("address", text)

    def _mark(self, kind: str, text: str) -> str:
        return self._seen.setdefault(text, f"<{kind} {len(self._seen) + 1}>")


def _emptied(value: Any) -> Any:
    return dict.fromkeys(value, "<hidden>") if isinstance(value, Mapping) else "<hidden>"
