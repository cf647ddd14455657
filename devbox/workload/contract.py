"""What the services offer each other, told once for every road. Touches nothing outside the process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

Payload = dict[str, Any]
"""Arguments or result of a call: JSON values by name."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a service does. `name` is used by queues and RPC, `method` and `path` by REST."""

    name: str
    service: str
    method: str
    path: str
    keyed: bool = False
    """Whether it takes an idempotency key (`key`; over REST the `Idempotency-Key` header)."""

    event: bool = False
    """Whether nobody waits for a result: a queue's acceptance is enough."""

    def url(self, payload: Payload) -> tuple[str, Payload]:
        """The path with its parameters filled in, and what is left of the payload for query or body."""
        rest = dict(payload)
        names = re.findall(r"{(\w+)}", self.path)
        filled = self.path.format(**{name: quote(str(rest.pop(name)), safe="") for name in names})
        return filled, rest

    def match(self, path: str) -> Payload | None:
        """The path's parameters, `None` when the path is another one's."""
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path), path)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


OPERATIONS = (
    Operation("users.find", "user", "GET", "/users/{user}"),
    Operation("users.list", "user", "GET", "/users"),
    Operation("orders.place", "order", "POST", "/orders", keyed=True),
    Operation("orders.get", "order", "GET", "/orders/{order}"),
    Operation("orders.list", "order", "GET", "/orders"),
    Operation("orders.products", "order", "GET", "/products"),
    Operation("payments.charge", "payment", "POST", "/payments", keyed=True),
    Operation("payments.get", "payment", "GET", "/payments/{order}"),
    Operation("notifications.order_paid", "notify", "POST", "/notifications", keyed=True, event=True),
    Operation("notifications.list", "notify", "GET", "/notifications"),
    Operation("notifications.get", "notify", "GET", "/notifications/{order}"),
)

SERVICES = ("user", "order", "payment", "notify")

EDGES = {"order>user": "rest", "order>payment": "rpc", "order>notify": "queue"}
"""Who calls whom, and the road that is taken when nothing else is configured."""

QUEUES = ("queue", "redis", "rabbitmq", "kafka")
"""Roads that are queues: `queue` is the shop's own one, the others are brokers that it was told of."""

MISSING = {
    "grpc": 'pip install "devbox[grpc]", then start the shop again',
    "dubbo": 'pip install "devbox[dubbo]", then start the shop again',
    "redis": "name it in SHOP_BROKERS: redis://host:port",
    "rabbitmq": "name it in SHOP_BROKERS: amqp://user:password@host:port/",
    "kafka": "name it in SHOP_BROKERS: kafka://host:port",
}
"""What opens a road that a running shop does not have."""


def operation(name: str) -> Operation | None:
    """The operation of that name, if there is one."""
    return next((one for one in OPERATIONS if one.name == name), None)


def route(service: str, method: str, path: str) -> tuple[Operation, Payload] | None:
    """Which operation of `service` an HTTP request means, and the parameters in its path."""
    for one in OPERATIONS:
        if one.service == service and one.method == method:
            parameters = one.match(path)
            if parameters is not None:
                return one, parameters
    return None
