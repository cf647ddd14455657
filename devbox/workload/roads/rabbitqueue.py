"""The queue in RabbitMQ: a quorum queue per topic, publisher confirms, acknowledgements after the effect.

Quorum queues are flushed to the disk before a message is confirmed, and count deliveries in the header
`x-delivery-count`: a message outlives the death of the broker, its attempts outlive the death of its takers.
What is handed back waits in a queue whose messages expire into the topic (dead-letter exchange); one per
delay, for messages expire at the head of a queue only (RabbitMQ, "Time-to-Live and Expiration").
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any

import pika
from pika.exceptions import AMQPError, ConnectionWrongStateError, NackError, UnroutableError

from devbox.workload.contract import Payload
from devbox.workload.failures import Unavailable
from devbox.workload.roads.queue import Message
from devbox.workload.roads.rabbittaker import Delivery, Taker, connect, declare

_PERSISTENT = 2
_TRIES = 6
_PAUSE = 0.02


class RabbitQueue:
    """A queue on the RabbitMQ at `url` (`amqp://user:password@host:port/vhost`)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._senders: LifoQueue[_Sender] = LifoQueue()
        self._takers: dict[str, Taker] = {}
        self._lock = threading.Lock()

    def put(self, topic: str, body: Payload) -> None:
        """Hand a message over (see `Queue.put`)."""
        self._publish(topic, body, {})

    def take(self, topic: str, wait: float) -> Message | None:
        """Take the next message (see `Queue.take`)."""
        with _stated():
            delivery = self._taker(topic).next(wait)
        return None if delivery is None else _message(delivery)

    def done(self, topic: str, message: Message) -> None:
        """Forget a message (see `Queue.done`)."""
        with _stated():
            message.ticket.acknowledge()

    def again(self, topic: str, message: Message, delay: float) -> None:
        """Deliver a message once more (see `Queue.again`)."""
        headers = {"attempt": message.attempt, "free": str(time.time_ns() + int(delay * 1e9))}
        self._publish(later(topic, delay), message.body, headers)
        self.done(topic, message)

    def bury(self, topic: str, message: Message, reason: str) -> None:
        """Put a message with the dead letters (see `Queue.bury`)."""
        self._publish(f"{topic}.dead", message.body, {"reason": reason})
        self.done(topic, message)

    def dead(self, topic: str) -> int:
        """How many dead letters there are."""
        with _stated(), self._sender() as sender:
            return sender.count(f"{topic}.dead")

    def close(self) -> None:
        """Let go of the connections; what was taken and not done is delivered to somebody else."""
        with self._lock:
            takers, self._takers = list(self._takers.values()), {}
        for taker in takers:
            taker.close()
        while True:
            try:
                self._senders.get_nowait().close()
            except Empty:
                return

    def _publish(self, queue: str, body: Payload, headers: dict[str, Any]) -> None:
        with _stated(), self._sender() as sender:
            sender.publish(queue, json.dumps(body).encode(), headers)

    def _taker(self, topic: str) -> Taker:
        with self._lock:
            taker = self._takers.get(topic)
            if taker is None or taker.ended:
                taker = self._takers[topic] = Taker(self._url, topic)
            return taker

    @contextmanager
    def _sender(self) -> Iterator[_Sender]:
        """A sender of the pool; one that failed is not given back."""
        try:
            sender = self._senders.get_nowait()
        except Empty:
            sender = _Sender(self._url)
        try:
            yield sender
        except BaseException:
            sender.close()
            raise
        self._senders.put(sender)


def later(topic: str, delay: float) -> str:
    """The queue in which messages wait `delay` seconds for their way back."""
    return f"{topic}.later.{max(1, round(delay * 1000))}"


class _Sender:
    """A connection for publishing, used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._connection = connect(url)  # no heartbeat: it lies idle between two messages
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._known: set[str] = set()

    def publish(self, queue: str, body: bytes, headers: dict[str, Any]) -> None:
        """Publish, and wait until the broker has it in safety."""
        properties = pika.BasicProperties(delivery_mode=_PERSISTENT, headers=headers)
        for attempt in range(_TRIES):
            self._declare(queue)
            try:
                self._channel.basic_publish("", queue, body, properties, mandatory=True)
                return
            except UnroutableError:
                self._known.discard(queue)  # it expired, or somebody deleted it
            except NackError:
                time.sleep(_PAUSE * 2**attempt)  # not taken: a quorum queue elects its leader when it is made
        raise Unavailable(f"RabbitMQ does not take messages for {queue}")

    def count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        return int(declare(self._channel, queue).method.message_count)

    def _declare(self, queue: str) -> None:
        if queue not in self._known:
            declare(self._channel, queue)
            self._known.add(queue)

    def close(self) -> None:
        """Close the connection, if it is still one."""
        with suppress(AMQPError, ConnectionWrongStateError, OSError):
            self._connection.close()


def _message(delivery: Delivery) -> Message:
    headers = delivery.headers
    attempt = int(headers.get("attempt", 0)) + int(headers.get("x-delivery-count", 0)) + 1
    free = int(headers.get("free", 0)) if delivery.first else 0
    return Message(json.loads(delivery.body), free or delivery.arrived, attempt, delivery)


@contextmanager
def _stated() -> Iterator[None]:
    try:
        yield
    except (AMQPError, OSError) as error:
        raise Unavailable(f"RabbitMQ: {str(error) or type(error).__name__}") from error
