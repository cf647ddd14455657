"""The faults there are: where they strike if nothing else is said, how hard, how one sees them. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault. `guilty` is the name that must come first among the slowest functions while it is on."""

    name: str
    at: str
    value: float
    unit: str
    help: str
    guilty: str
    pattern: str


KINDS = (
    Kind("delay", "Payments.charge", 0.2, "s", "the function waits",
         "Payments.charge", "its own time is the delay, all above it wait"),
    Kind("errors", "Users.find", 0.5, "of calls", "the function fails after 50 ms",
         "Users.find", "red spans up to the gateway, which answers 500"),
    Kind("burn", "Payments._assess_risk", 0.1, "s", "the function computes and holds the GIL",
         "Payments._assess_risk", "its own time grows, and all else in its process with it"),
    Kind("lock", "Payments._book", 0.05, "s", "the function holds a lock that all callers want",
         "Payments._book", "its own time grows with the number of callers at once"),
    Kind("pool", "Store.release orders", 0.03, "s", "one connection only, and it is given back late",
         "Store.borrow", "waiting for a connection, before short statements"),
    Kind("n+1", "SQL SELECT orders", 0.002, "s", "a query per row, each a round trip of this length",
         "SQL SELECT orders", "dozens of equal short statements below one function"),
    Kind("slow-query", "SQL SELECT payments", 3e5, "rows", "the statement reads much more than it needs",
         "SQL SELECT payments", "one long statement"),
    Kind("leak", "Catalogue.price", 16, "MB", "the function keeps memory at each call",
         "Catalogue.price", "own time without any work to do; the process grows with each call"),
    Kind("retry-storm", "Users.find", 20, "tries", "the callee is overloaded, the caller repeats at once",
         "rest users.find", "many equal red calls side by side below one function"),
    Kind("queue-stuck", "QueueServer notify", 0.3, "s", "the worker pauses before each message",
         "in queue notify", "long bars in the queue, short work behind them"),
    Kind("poison", "Notifications.order_paid", 0.4, "of messages", "the message cannot be worked on",
         "Notifications.order_paid", "the same work again and again, red; then a dead letter"),
    Kind("payment-down", "Desk payment", 5, "s", "payment accepts calls and never answers",
         "rpc payments.charge", "calls with nothing below them, as long as their deadline; resumed later"),
    Kind("slow-dns", "resolve", 0.1, "s", "names are looked up slowly, connections are not kept",
         "resolve", "the same wait before each connection"),
    Kind("delayed-ack", "Link order", 1, "on", "frames leave in two small packets, Nagle waits for the ACK",
         "rpc payments.charge", "some 40 ms between a call and its callee, and nothing that uses them"),
    Kind("clock-skew", "QueueRoad notify", 0.5, "s", "the sender's clock is behind",
         "in queue notify", "a bar that begins before the span that sent it"),
    Kind("cache-off", "Catalogue.price", 1, "on", "what was looked up is not remembered",
         "Catalogue._look_up", "the same work in every trace, that only the first ones need"),
)  # fmt: skip


def kind(name: str) -> Kind | None:
    """The fault of that name, if there is one."""
    return next((one for one in KINDS if one.name == name), None)
