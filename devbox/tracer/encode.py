"""What was added to a span, as bytes: Python's marshal format, version 2.

It is a third of the price of JSON, and its version 2 has been the same in all of Python 3. The writer keeps
to dictionaries, lists, tuples, texts, numbers, booleans and None; readers have a decoder of their own for
those (never `marshal.loads`, which trusts its input).
"""

from __future__ import annotations

from marshal import dumps as _dumps

from .layout import ATTRIBUTES, EVENTS, LINKS, MOST_SLOTS, SLOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 2
LONGEST = 4096
"""Longer texts are cut, and end in an ellipsis."""
LONGEST_ALL = MOST_SLOTS * SLOT
DROPPED = "devbox.dropped"
"""Attribute: how many attributes, events and links were left out to hold `LONGEST_ALL` bytes per span."""
DEEPEST = 8

_PLAIN = frozenset((str, int, float, bool, type(None)))


def pack(added: dict[str, Any]) -> bytes:
    """Never fails, whatever the application calls an attribute; at most `LONGEST_ALL` bytes."""
    attributes = added.get(ATTRIBUTES)
    if attributes and not _PLAIN.issuperset(map(type, attributes.values())):
        added[ATTRIBUTES] = plain(attributes)
    try:
        data = _dumps(added, FORMAT)
    except ValueError:
        data = _dumps(plain(added), FORMAT)
    return data if len(data) <= LONGEST else _bounded(added)


def plain(value: Any, depth: int = 0) -> Any:
    """`value` in the few types that are written; other things become their `str`."""
    kind = type(value)
    if kind is str:
        return value if len(value) <= LONGEST else value[:LONGEST] + "…"
    if kind in _PLAIN:
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:LONGEST]).decode("utf-8", "backslashreplace")
    if depth < DEEPEST and isinstance(value, dict):
        return {_text(key): plain(one, depth + 1) for key, one in list(value.items())}
    if depth < DEEPEST and isinstance(value, (list, tuple)):
        return [plain(one, depth + 1) for one in value[:LONGEST]]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_text, value))
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ of the application's
        text = object.__repr__(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _bounded(added: dict[str, Any]) -> bytes:
    """Long texts cut; and the latest additions left out when that was not enough."""
    kept = plain(added)
    left_out = 0
    while len(_dumps(kept, FORMAT)) > LONGEST_ALL - 64:
        longest = max((ATTRIBUTES, EVENTS, LINKS), key=lambda name: len(_dumps(kept.get(name), FORMAT)))
        many = kept[longest]
        half = len(many) // 2
        left_out += len(many) - half
        kept[longest] = dict(list(many.items())[:half]) if longest == ATTRIBUTES else many[:half]
    if left_out:
        kept.setdefault(ATTRIBUTES, {})[DROPPED] = left_out
    return _dumps(kept, FORMAT)
