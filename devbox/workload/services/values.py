"""The nouns of the shop, and what one service may ask of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may order. `account` is what payments are drawn from."""

    id: str
    name: str
    email: str
    account: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """A payment that was made; `amount` is in cents."""

    id: str
    order: str
    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order. `state` is `new` (not paid yet), `paid`, `declined`; `amount` is in cents."""

    id: str
    user: str
    item: str
    quantity: int
    amount: int
    state: str
    receipt: str = ""
    reason: str = ""
    trace: str = ""


class Directory(Protocol):
    """Who knows the users."""

    def find(self, user: str) -> User:
        """The user of that id; `NotFound` when there is none."""
        ...


class Cashier(Protocol):
    """Who takes the money."""

    def charge(self, key: str, order: str, account: str, amount: int) -> Receipt:
        """Draw `amount` cents, once per `key` however often it is asked; `Refused` when it cannot be."""
        ...


class Announcer(Protocol):
    """Who tells the customer."""

    def order_paid(self, key: str, order: str, user: str, amount: int) -> None:
        """Take note that an order is paid: at least once, so that the reader must know `key` again."""
        ...


class Memory(Protocol):
    """Who remembers prices."""

    def find(self, item: str) -> int | None:
        """The price that was kept for an item, `None` when none was."""
        ...

    def keep(self, item: str, price: int) -> None:
        """Remember a price."""
        ...
