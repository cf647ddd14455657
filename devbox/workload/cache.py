"""What a service has looked up and remembers, while nobody switches that off."""

from __future__ import annotations

from devbox.workload.faults import Trouble


class Cache:
    """Prices by item. While the fault `cache-off` is on at `where` every look is in vain, also for a caller
    who comes when another one is looking up the same."""

    def __init__(self, trouble: Trouble, where: str) -> None:
        self._trouble = trouble
        self._where = where
        self._kept: dict[str, int] = {}

    def find(self, item: str) -> int | None:
        """The price that was kept for an item, if one was."""
        return None if self._trouble.level("cache-off", self._where) else self._kept.get(item)

    def keep(self, item: str, price: int) -> None:
        """Remember a price."""
        self._kept[item] = price
