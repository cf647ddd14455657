"""The other services as their callers know them: objects whose methods are carried over an edge."""

from __future__ import annotations

from devbox.workload.roads.desk import Edge
from devbox.workload.services.values import Receipt, User


class RemoteUsers:
    """The user service, elsewhere (a `Directory`)."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def find(self, user: str) -> User:
        """See `Directory.find`."""
        return User(**self._edge.call("users.find", user=user))


class RemotePayments:
    """The payment service, elsewhere (a `Cashier`)."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def charge(self, key: str, order: str, account: str, amount: int) -> Receipt:
        """See `Cashier.charge`."""
        call = self._edge.call("payments.charge", key=key, order=order, account=account, amount=amount)
        return Receipt(**call)


class RemoteNotifications:
    """The notify worker, elsewhere (an `Announcer`)."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def order_paid(self, key: str, order: str, user: str, amount: int) -> None:
        """See `Announcer.order_paid`."""
        self._edge.call("notifications.order_paid", key=key, order=order, user=user, amount=amount)
