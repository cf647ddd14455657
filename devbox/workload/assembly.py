"""Putting a service together: what it does, who it calls over which roads, and what it listens on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from devbox.workload import hops, reload
from devbox.workload.cache import Cache
from devbox.workload.contract import SERVICES
from devbox.workload.control import Control
from devbox.workload.databases import open_database
from devbox.workload.faults import Faults
from devbox.workload.roads import rest
from devbox.workload.roads.desk import Desk, Edge
from devbox.workload.roads.remote import RemoteNotifications, RemotePayments, RemoteUsers
from devbox.workload.roads.ways import Ways
from devbox.workload.servers.threads import ThreadServer
from devbox.workload.settings import Settings
from devbox.workload.state import prepare
from devbox.workload.store import Store
from devbox.workload.switches import Board
from devbox.workload.watch import watched

if TYPE_CHECKING:
    from devbox.workload.services.orders import Orders
    from devbox.workload.services.values import Order

Functions = Mapping[str, Callable[..., Any]]

_RESUME_EVERY = 0.5
"""Seconds between two looks for orders whose settling was cut."""

_USERS = 50


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every service is given."""

    settings: Settings
    board: Board
    faults: Faults
    ways: Ways

    @staticmethod
    def of(settings: Settings) -> Surroundings:
        """The surroundings that the settings say."""
        prepare(settings.state)
        board = Board(settings.state / "switches.json")
        faults = Faults(board)
        return Surroundings(settings, board, faults, Ways.of(settings, faults))

    def edge(self, caller: str, callee: str) -> Edge:
        """The way from one service to another, over any road."""
        roads = self.ways.to(callee)
        return Edge(f"{caller}>{callee}", roads, lambda edge: self.board.read().road(edge), self.faults)

    def store(self, name: str, schema: str) -> Store:
        """A service's own database."""
        database = open_database(self.settings.database, self.settings.state, name)
        return Store(database, schema, self.faults)


# Each builder loads its own service only, so that a process is small, and begins anew for its own code only.


def _user(around: Surroundings, stop: Event) -> Functions:
    from devbox.workload.services import users

    service = users.Users(around.store("user", users.SCHEMA))
    service.populate(_USERS)
    watched(service, around.faults)
    return {"users.find": service.find, "users.list": service.active}


def _payment(around: Surroundings, stop: Event) -> Functions:
    from devbox.workload.services import payments

    service = watched(payments.Payments(around.store("payment", payments.SCHEMA)), around.faults)
    return {"payments.charge": service.charge, "payments.get": service.get}


def _notify(around: Surroundings, stop: Event) -> Functions:
    from devbox.workload.services import notifications

    service = watched(
        notifications.Notifications(around.store("notify", notifications.SCHEMA)), around.faults
    )
    return {
        "notifications.order_paid": service.order_paid,
        "notifications.list": service.latest,
        "notifications.get": service.get,
    }


def _order(around: Surroundings, stop: Event) -> Functions:
    from devbox.workload.services import orders
    from devbox.workload.services.catalogue import Catalogue

    service = orders.Orders(
        around.store("order", orders.SCHEMA),
        RemoteUsers(around.edge("order", "user")),
        RemotePayments(around.edge("order", "payment")),
        RemoteNotifications(around.edge("order", "notify")),
        watched(Catalogue(Cache(around.faults, "Catalogue.price")), around.faults),
    )
    watched(service, around.faults, but=("due",))
    Thread(target=_resume, args=(service, stop), daemon=True, name="resume").start()

    def place(key: str, user: str, item: str, quantity: int = 1) -> Order:
        return service.place(key, user, item, quantity, origin=hops.traceparent())

    return {
        "orders.place": place,
        "orders.get": service.get,
        "orders.list": service.latest,
        "orders.products": service.products,
    }


def _resume(service: Orders, stop: Event) -> None:
    """Go on with orders that were cut, each as part of the trace that it came from."""
    while not stop.wait(_RESUME_EVERY):
        try:
            for order, origin in service.due():
                with hops.resuming("resume order", origin):
                    service.settle(order)
        except Exception as error:  # noqa: BLE001  this thread is what keeps orders from being lost: it must go on
            sys.stderr.write(f"resume: {type(error).__name__}: {error}\n")


_BUILDERS: dict[str, Callable[[Surroundings, Event], Functions]] = {
    "user": _user,
    "order": _order,
    "payment": _payment,
    "notify": _notify,
}


def serve(name: str, settings: Settings, reloading: bool = False) -> None:
    """Run one service until SIGTERM: its operations over all roads at once. With `reloading`, begin anew when
    its code was changed."""
    assert name in SERVICES
    hops.start(name)
    stop = Event()
    around = Surroundings.of(settings)
    desk = Desk(name, _BUILDERS[name](around, stop), around.faults)
    place = settings.places[name]
    control = Control(around.board, rest.application(desk), around.ways.names(), settings.traces)
    http = ThreadServer((settings.listen, place.http), control)
    servers = around.ways.servers(desk)
    for serving in (http.serve_forever, *(server.serve for server in servers)):
        Thread(target=serving, daemon=True).start()
    begin_anew = reload.watch(stop.set) if reloading else None
    until_terminated(stop)
    http.shutdown()
    for server in servers:
        server.close()
    around.ways.close()
    if begin_anew:
        begin_anew()


def until_terminated(stop: Event) -> None:
    """Wait for SIGTERM, ^C, or the end of whoever holds our standard input (the supervisor; see `local`)."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Thread(target=_until_orphaned, args=(stop,), daemon=True).start()
    stop.wait()


def _until_orphaned(stop: Event) -> None:
    import os
    import stat

    if stat.S_ISFIFO(os.fstat(0).st_mode):
        os.read(0, 1)
        stop.set()
