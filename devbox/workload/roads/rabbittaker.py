"""The taking end of a topic in RabbitMQ: a thread with a connection of its own.

A connection of pika belongs to one thread, so acknowledgements of other threads are handed to it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import pika
from pika.exceptions import AMQPError, ConnectionWrongStateError, StreamLostError

from devbox.workload.roads.queue import ANSWERS, WORKERS

_CONNECT_SECONDS = 2.0
_SLICE = 0.2
"""Seconds after which a taker looks whether it was closed, when nothing else wakes it."""

_EXPIRES = 60_000
"""Milliseconds after which the broker removes a topic of answers that nobody listens to any more."""


def connect(url: str, heartbeat: int = 0) -> Any:
    """A connection; tries once, and not long. With `heartbeat` (seconds) whoever uses it must never pause."""
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.stack_timeout = _CONNECT_SECONDS
    parameters.blocked_connection_timeout = _CONNECT_SECONDS
    parameters.heartbeat = heartbeat
    return pika.BlockingConnection(parameters)


def declare(channel: Any, queue: str) -> Any:
    """Make a queue where there is none; its name says what it is for."""
    topic, mark, delay = queue.rpartition(".later.")
    if queue.startswith(ANSWERS):
        return channel.queue_declare(queue, arguments={"x-expires": _EXPIRES})
    if mark:
        back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": topic, "x-message-ttl": int(delay)}
        return channel.queue_declare(queue, durable=True, arguments=back)
    if queue.endswith(".dead"):
        return channel.queue_declare(queue, durable=True)
    return channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came. `arrived` is in ns since the epoch; `first` says that nobody had it before."""

    taker: Taker
    tag: int
    body: bytes
    first: bool
    headers: dict[str, Any] = field(default_factory=dict)
    arrived: int = field(default_factory=time.time_ns)

    def acknowledge(self) -> None:
        """Tell the broker that it may forget the message."""
        self.taker.acknowledge(self.tag)


class Taker:
    """Takes the messages of one topic, at most `WORKERS` ahead of whoever works on them."""

    def __init__(self, url: str, topic: str) -> None:
        self._connection = connect(url, heartbeat=10)
        self._channel = self._connection.channel()
        declare(self._channel, topic)
        self._channel.basic_qos(prefetch_count=WORKERS)
        self._channel.basic_consume(topic, self._arrive)
        self._arrived: SimpleQueue[Delivery] = SimpleQueue()
        self._worked_on: SimpleQueue[int] = SimpleQueue()
        self._closed = Event()
        self._reason: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True, name=f"{topic}-taker")
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the connection is gone."""
        return not self._thread.is_alive()

    def next(self, wait: float) -> Delivery | None:
        """The next message, `None` when none came in `wait` seconds; an `AMQPError` when the link broke."""
        try:
            return self._arrived.get(timeout=wait)
        except Empty:
            if self._reason is not None:
                raise self._reason from None
            return None

    def acknowledge(self, tag: int) -> None:
        """Acknowledge a delivery, from any thread."""
        if self._reason is not None:
            raise StreamLostError(str(self._reason))
        self._worked_on.put(tag)
        self._wake()

    def _arrive(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        headers = dict(properties.headers or {})
        self._arrived.put(Delivery(self, method.delivery_tag, body, not method.redelivered, headers))

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._connection.process_data_events(time_limit=_SLICE)
                self._tell()
            self._tell()  # what was done before the end must not be done again by somebody else
            self._connection.close()
        except (AMQPError, OSError) as error:
            self._reason = error

    def _tell(self) -> None:
        """Tell the broker what was acknowledged meanwhile."""
        with suppress(Empty):
            while True:
                self._channel.basic_ack(self._worked_on.get_nowait())

    def _wake(self) -> None:
        with suppress(ConnectionWrongStateError):  # it has ended: what was not acknowledged comes again
            self._connection.add_callback_threadsafe(lambda: None)

    def close(self) -> None:
        """End the connection; what was taken and not acknowledged is delivered to somebody else."""
        self._closed.set()
        self._wake()
        self._thread.join()
