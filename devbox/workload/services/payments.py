"""The payment service: draws money exactly once per key."""

from __future__ import annotations

import hashlib
import uuid

from devbox.workload.database import Taken
from devbox.workload.failures import NotFound, Refused
from devbox.workload.services.values import Receipt
from devbox.workload.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, "order" TEXT NOT NULL, account TEXT NOT NULL,
    amount INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS payments_by_order ON payments ("order");
"""

LIMIT = 1_000_000
"""The most that one payment may be, in cents."""

_RISK_ROUNDS = 200


class Payments:
    """Takes payments. The key of a payment is unique in the database: that is what makes it happen once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def charge(self, key: str, order: str, account: str, amount: int) -> Receipt:
        """Draw `amount` cents; asked again with the same key, the receipt of the first time."""
        earlier = self._find("key", key)
        if earlier is not None:
            return self._same(earlier, order, amount)
        self._check_limit(amount)
        self._assess_risk(account, amount)
        return self._book(key, order, account, amount)

    def get(self, order: str) -> Receipt:
        """The receipt of an order's payment; `NotFound` when it was not paid."""
        found = self._find('"order"', order)
        if found is None:
            raise NotFound(f"no payment for order {order}")
        return found

    def _find(self, column: str, value: str) -> Receipt | None:
        row = self._store.row(f'SELECT id, "order", account, amount FROM payments WHERE {column} = ?', value)
        return Receipt(**dict(row)) if row else None

    def _same(self, earlier: Receipt, order: str, amount: int) -> Receipt:
        if (earlier.order, earlier.amount) != (order, amount):
            raise Refused("this key was used for another payment")
        return earlier

    def _check_limit(self, amount: int) -> None:
        if not 0 < amount <= LIMIT:
            raise Refused(f"an amount of {amount} cents is not possible")

    def _assess_risk(self, account: str, amount: int) -> float:
        """Work for the processor, as a model would do it: a score from 0 (fine) to 1."""
        digest = f"{account}:{amount}".encode()
        for _ in range(_RISK_ROUNDS):
            digest = hashlib.sha256(digest).digest()
        return digest[0] / 255

    def _book(self, key: str, order: str, account: str, amount: int) -> Receipt:
        receipt = Receipt(uuid.uuid4().hex, order, account, amount)
        try:
            with self._store.write() as change:
                change.run(
                    "INSERT INTO payments VALUES (?, ?, ?, ?, ?)", receipt.id, key, order, account, amount
                )
        except Taken:
            # Somebody asked the same at the same time and was first: theirs is the payment.
            first = self._find("key", key)
            assert first is not None
            return self._same(first, order, amount)
        return receipt
