"""What the shop sells, and for how much."""

from __future__ import annotations

from collections.abc import Iterator

from devbox.workload.failures import NotFound
from devbox.workload.services.values import Memory

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
    """Knows prices; remembers in `memory` those it has looked up."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def price(self, item: str) -> int:
        """Cents for one `item`; `NotFound` when the shop does not sell it."""
        known = self._memory.find(item)
        if known is None:
            known = self._look_up(item)
            self._memory.keep(item, known)
        return known

    def all(self) -> list[dict[str, object]]:
        """What the shop sells, with prices."""
        return [{"item": item, "price": price} for item, price in PRICES.items()]

    def _look_up(self, item: str) -> int:
        """Search the wholesaler's list: long, and sorted by nothing."""
        for line in _wholesale_list():
            name, _, price = line.partition(";")
            if name == item:
                return int(price)
        raise NotFound(f"the shop does not sell {item!r}; it sells {', '.join(PRICES)}")
