"""The order service: takes an order, has it paid exactly once, and has the customer told at least once.

An order and the intention to settle it (its row in `open`) are written in one transaction. Whatever dies
after that, the row stays, and settling is taken up again; since the payment is keyed by the order, doing that
once too often does no harm. The row goes only when the announcement was accepted.
"""

from __future__ import annotations

import time
import uuid

from devbox.workload.database import Taken
from devbox.workload.failures import DeadlineExceeded, Defect, NotFound, Refused, Unavailable
from devbox.workload.services.catalogue import Catalogue
from devbox.workload.services.values import Announcer, Cashier, Directory, Order, User
from devbox.workload.store import Row, Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, "user" TEXT NOT NULL, account TEXT NOT NULL,
    item TEXT NOT NULL, quantity INTEGER NOT NULL, amount INTEGER NOT NULL, state TEXT NOT NULL,
    receipt TEXT NOT NULL, reason TEXT NOT NULL, trace TEXT NOT NULL,
    placed DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_user ON orders ("user", placed);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (placed);
CREATE TABLE IF NOT EXISTS open (
    "order" TEXT PRIMARY KEY, due DOUBLE PRECISION NOT NULL, origin TEXT NOT NULL
);
"""

_COLUMNS = 'id, "user", item, quantity, amount, state, receipt, reason, trace'

PATIENCE = 2.0
"""Seconds that whoever settles an order has for it, before it counts as cut and is given out again."""


class Orders:
    """Takes and settles orders. `trace` says where an order comes from, for those who look for it later."""

    def __init__(
        self, store: Store, directory: Directory, cashier: Cashier, announcer: Announcer, catalogue: Catalogue
    ) -> None:
        self._store = store
        self._directory = directory
        self._cashier = cashier
        self._announcer = announcer
        self._catalogue = catalogue

    def place(self, key: str, user: str, item: str, quantity: int, origin: str = "") -> Order:
        """Take an order, once per `key`. It comes back paid, declined, or `new` when payment has to wait."""
        known = self._by_key(key)
        if known is not None:
            return known
        self._check(quantity)
        amount = self._catalogue.price(item) * quantity
        buyer = self._directory.find(user=user)
        order = self._record(key, buyer, item, quantity, amount, origin)
        return self.settle(order)

    def get(self, order: str) -> Order:
        """The order of that id; `NotFound` when there is none."""
        row = self._store.row(f"SELECT {_COLUMNS} FROM orders WHERE id = ?", order)
        if row is None:
            raise NotFound(f"no order {order}")
        return Order(**dict(row))

    def latest(self, user: str = "") -> list[Order]:
        """The last 50 orders, of one user or of all."""
        where, values = ('WHERE "user" = ?', (user,)) if user else ("", ())
        sql = f"SELECT {_COLUMNS} FROM orders {where} ORDER BY placed DESC LIMIT 50"
        return [Order(**row) for row in self._store.rows(sql, *values)]

    def products(self) -> list[dict[str, object]]:
        """What can be ordered, and for how many cents."""
        return self._catalogue.all()

    def settle(self, order: str) -> Order:
        """Do what is left to do for an order. May be repeated at any time, and cut anywhere."""
        found = self.get(order)
        try:
            if found.state == "new":
                found = self._pay(found)
            if found.state == "paid":
                self._announce(found)
            self._close(found)
        except (Unavailable, DeadlineExceeded, Defect):
            return found  # its row in `open` stays: see `due`
        return found

    def due(self) -> list[tuple[str, str]]:
        """Orders whose settling was begun and not ended in time, with their origin; each is given out once
        per `PATIENCE`."""
        now = time.time()
        with self._store.write() as change:
            rows = change.rows('SELECT "order", origin FROM open WHERE due <= ? ORDER BY due LIMIT 20', now)
            for row in rows:
                change.run('UPDATE open SET due = ? WHERE "order" = ?', now + PATIENCE, row["order"])
        return [(row["order"], row["origin"]) for row in rows]

    def _by_key(self, key: str) -> Order | None:
        row = self._store.row(f"SELECT {_COLUMNS} FROM orders WHERE key = ?", key)
        return Order(**dict(row)) if row else None

    def _check(self, quantity: int) -> None:
        if not 1 <= quantity <= 100:
            raise Refused(f"a quantity of {quantity} is not possible: 1 to 100")

    def _record(self, key: str, buyer: User, item: str, quantity: int, amount: int, origin: str) -> str:
        identity = uuid.uuid4().hex[:16]
        try:
            with self._store.write() as change:
                change.run(
                    "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, 'new', '', '', ?, ?)",
                    identity, key, buyer.id, buyer.account, item, quantity, amount, origin[3:35], time.time(),
                )  # fmt: skip
                change.run("INSERT INTO open VALUES (?, ?, ?)", identity, time.time() + PATIENCE, origin)
        except Taken:
            # The same order arrived twice at the same time: the first one counts.
            first = self._by_key(key)
            assert first is not None
            return first.id
        return identity

    def _pay(self, order: Order) -> Order:
        account = self._row(order.id)["account"]
        try:
            receipt = self._cashier.charge(key=order.id, order=order.id, account=account, amount=order.amount)
        except Refused as refusal:
            return self._move(order.id, "declined", reason=str(refusal))
        return self._move(order.id, "paid", receipt=receipt.id)

    def _row(self, order: str) -> Row:
        row = self._store.row("SELECT * FROM orders WHERE id = ?", order)
        assert row is not None
        return row

    def _move(self, order: str, state: str, receipt: str = "", reason: str = "") -> Order:
        with self._store.write() as change:
            change.run(
                "UPDATE orders SET state = ?, receipt = ?, reason = ? WHERE id = ?",
                state,
                receipt,
                reason,
                order,
            )
        return self.get(order)

    def _announce(self, order: Order) -> None:
        self._announcer.order_paid(key=order.id, order=order.id, user=order.user, amount=order.amount)

    def _close(self, order: Order) -> None:
        with self._store.write() as change:
            change.run('DELETE FROM open WHERE "order" = ?', order.id)
