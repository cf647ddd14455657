"""The notify worker: tells customers that their order is paid; told twice, it says so once."""

from __future__ import annotations

import time

from devbox.workload.failures import NotFound
from devbox.workload.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
    key TEXT PRIMARY KEY, "order" TEXT NOT NULL, "user" TEXT NOT NULL, text TEXT NOT NULL,
    sent DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS letters_by_order ON letters ("order");
CREATE INDEX IF NOT EXISTS letters_by_time ON letters (sent);
"""


class Notifications:
    """Writes letters. Delivery is a row in the mailbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def order_paid(self, key: str, order: str, user: str, amount: int) -> None:
        """Tell `user`; a key that is known was told already."""
        text = self._compose(order, amount)
        self._deliver(key, order, user, text)

    def get(self, order: str) -> dict[str, object]:
        """The letter about an order; `NotFound` while there is none."""
        row = self._store.row('SELECT "order", "user", text, sent FROM letters WHERE "order" = ?', order)
        if row is None:
            raise NotFound(f"nothing was sent about order {order} yet")
        return dict(row)

    def latest(self) -> list[dict[str, object]]:
        """The last 50 letters."""
        sql = 'SELECT "order", "user", text, sent FROM letters ORDER BY sent DESC LIMIT 50'
        return [dict(row) for row in self._store.rows(sql)]

    def _compose(self, order: str, amount: int) -> str:
        return f"Your order {order} is paid: {amount / 100:.2f}. Thank you."

    def _deliver(self, key: str, order: str, user: str, text: str) -> None:
        with self._store.write() as change:
            change.run(
                "INSERT INTO letters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                key,
                order,
                user,
                text,
                time.time(),
            )
