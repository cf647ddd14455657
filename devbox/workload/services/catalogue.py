"""What the shop sells, and for how much."""

from __future__ import annotations

from collections.abc import Iterator

from devbox.workload.failures import NotFound

PRICES = {"teapot": 2400, "cup": 650, "saucer": 420, "kettle": 3900, "tea": 890}
"""Cents apiece."""


_OTHER_GOODS = 50_000


def _wholesale_list() -> Iterator[str]:
    """What the wholesaler has, `name;cents` line by line; what this shop sells comes last."""
    for number in range(_OTHER_GOODS):
        yield f"other-{number};{number % 997}"
    for name, price in PRICES.items():
        yield f"{name};{price}"


class Catalogue:
    """Knows prices; remembers those it has looked up."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def price(self, item: str) -> int:
        """Cents for one `item`; `NotFound` when the shop does not sell it."""
        if item not in self._known:
            self._known[item] = self._look_up(item)
        return self._known[item]

    def all(self) -> list[dict[str, object]]:
        """What the shop sells, with prices."""
        return [{"item": item, "price": price} for item, price in PRICES.items()]

    def forget(self) -> None:
        """Look everything up again."""
        self._known.clear()

    def _look_up(self, item: str) -> int:
        """Search the wholesaler's list: long, and sorted by nothing."""
        for line in _wholesale_list():
            name, _, price = line.partition(";")
            if name == item:
                return int(price)
        raise NotFound(f"the shop does not sell {item!r}; it sells {', '.join(PRICES)}")
