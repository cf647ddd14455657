"""What the shop sells, and for how much."""

from __future__ import annotations

from devbox.workload.failures import NotFound

PRICES = {"teapot": 2400, "cup": 650, "saucer": 420, "kettle": 3900, "tea": 890}
"""Cents apiece."""


class Catalogue:
    """Knows prices; remembers those it has looked up."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def price(self, item: str) -> int:
        """Cents for one `item`; `NotFound` when the shop does not sell it."""
        if item not in self._known:
            self._known[item] = self._look_up(item)
        return self._known[item]

    def _look_up(self, item: str) -> int:
        try:
            return PRICES[item]
        except KeyError:
            raise NotFound(f"the shop does not sell {item!r}; it sells {', '.join(PRICES)}") from None
