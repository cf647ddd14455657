"""The grammars of W3C Trace Context (level 2) and Baggage: texts to values and back, nothing else."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_MEMBERS = 32
MOST_BAGGAGE = 64
MOST_BAGGAGE_BYTES = 8192

_HEX = "0123456789abcdef"
_KEY_START = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_KEY = _KEY_START | frozenset("_-*/@")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BAGGAGE_VALUE = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('",;\\%')


def parse_traceparent(value: str) -> tuple[bytes, int] | None:
    """Trace id and parent id; None when invalid (W3C trace-context 3.2.2 and 4.3, versions above 00
    included).
    """
    value = value.strip(" \t")
    version = value[:2]
    if len(value) < 55 or version == "ff" or value[2] + value[35] + value[52] != "---":
        return None
    if len(value) > 55 and (version == "00" or value[55] != "-"):
        return None
    if (version + value[3:35] + value[36:52] + value[53:55]).strip(_HEX):
        return None
    trace, span = bytes.fromhex(value[3:35]), int(value[36:52], 16)
    return (trace, span) if any(trace) and span else None


def parse_tracestate(value: str) -> str:
    """The list as we pass it on; "" when anything in it is invalid, as 3.3.1 allows and 4.3 says."""
    kept: dict[str, str] = {}
    members = [one for one in (part.strip(" \t") for part in value.split(",")) if one]
    if len(members) > MOST_MEMBERS:
        return ""
    for member in members:
        key, equals, content = member.partition("=")
        if not equals or not _valid_key(key) or not _valid_value(content):
            return ""
        kept.setdefault(key, content)
    return ",".join(f"{key}={content}" for key, content in kept.items())


def _valid_key(key: str) -> bool:
    # Level 2, 3.3.1.3.1: one key grammar, 256 characters; level 1 allowed tenant@vendor with 241 and 14.
    tenant, at, vendor = key.partition("@")
    if not key or len(key) > 256 or key[0] not in _KEY_START or not _KEY.issuperset(key):
        return False
    return not at or (
        0 < len(tenant) <= 241 and 0 < len(vendor) <= 14 and "@" not in vendor and vendor[0].isalpha()
    )


def _valid_value(value: str) -> bool:
    return 0 < len(value) <= 256 and all(" " <= letter <= "~" and letter not in ",=" for letter in value)


def parse_baggage(value: str) -> tuple[tuple[str, str], ...]:
    """Members of a baggage header (W3C Baggage 3.2); invalid members are left out, properties are dropped."""
    if not value or len(value) > MOST_BAGGAGE_BYTES:
        return ()
    found: dict[str, str] = {}
    for member in value.split(",")[:MOST_BAGGAGE]:
        key, equals, content = member.split(";", 1)[0].partition("=")
        key = key.strip(" \t")
        if equals and is_token(key):
            found[key] = _unquote(content.strip(" \t"))
    return tuple(found.items())


def format_baggage(members: Iterable[tuple[str, str]]) -> str:
    """A baggage header; values percent-encoded, members beyond the header's bounds left out."""
    kept: list[str] = []
    room = MOST_BAGGAGE_BYTES
    for key, value in members:
        one = f"{key}={_quote(value)}"
        room -= len(one) + 1
        if room >= 0 and len(kept) < MOST_BAGGAGE:
            kept.append(one)
    return ",".join(kept)


def _quote(value: str) -> str:
    return "".join(
        letter
        if letter in _BAGGAGE_VALUE
        else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "replace"))
        for letter in value
    )


def _unquote(value: str) -> str:
    head, *rest = value.split("%")
    data = head.encode("utf-8", "replace")
    for part in rest:
        try:
            data += bytes.fromhex(part[:2]) + part[2:].encode("utf-8", "replace")
        except ValueError:
            data += b"%" + part.encode("utf-8", "replace")
    return data.decode("utf-8", "replace")


def is_token(key: str) -> bool:
    """Whether `key` may name a member of a baggage (RFC 7230, 3.2.6)."""
    return bool(key) and _TOKEN.issuperset(key)
