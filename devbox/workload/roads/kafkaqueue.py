"""The queue in Kafka: a topic, one consumer group that shares it, offsets committed after the effect.

Kafka keeps one position per partition, not a mark per message. So a position is committed up to the first
message that is still being worked on (see `kafkaledger`), and what was worked on behind it may be delivered
again when a taker dies. It counts no deliveries either: attempts are counted when a message is handed back,
which puts a copy at the end, to be held by its taker until it is due.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Record

from devbox.workload.contract import Payload
from devbox.workload.failures import Unavailable
from devbox.workload.roads.kafkataker import Taker, watermarks
from devbox.workload.roads.queue import Message

_DELIVERY_SECONDS = 2.0

_PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,  # a repeated send is one message
    "linger.ms": 0,
    "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
}


class KafkaQueue:
    """A queue on the Kafka at `url`: `kafka://host:port,host:port?name=value` with settings of librdkafka."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._settings = {
            "bootstrap.servers": where.netloc, "log_level": 2, **dict(parse_qsl(where.query))
        }  # fmt: skip
        self._producer: Producer | None = None
        self._takers: dict[str, Taker] = {}
        self._lock = Lock()
        self._closed = Event()

    def put(self, topic: str, body: Payload) -> None:
        """Hand a message over (see `Queue.put`)."""
        self._send(topic, body, {})

    def take(self, topic: str, wait: float) -> Message | None:
        """Take the next message (see `Queue.take`)."""
        with _stated(), self._lock:
            taker = self._takers.get(topic)
            if taker is None:
                taker = self._takers[topic] = Taker(self._settings, topic)
        with _stated():
            found = taker.next(wait)
        if found is None:
            return None
        return Message(json.loads(found.body), found.free, found.attempt, found)

    def done(self, topic: str, message: Message) -> None:
        """Forget a message (see `Queue.done`)."""
        with _stated(), self._lock:
            taker = self._takers.get(topic)
            if taker is not None:
                taker.done(message.ticket)

    def again(self, topic: str, message: Message, delay: float) -> None:
        """Deliver a message once more (see `Queue.again`)."""
        free = time.time_ns() + int(delay * 1e9)
        self._send(topic, message.body, {"attempt": str(message.attempt + 1), "free": str(free)})
        self.done(topic, message)

    def bury(self, topic: str, message: Message, reason: str) -> None:
        """Put a message with the dead letters (see `Queue.bury`)."""
        self._send(f"{topic}-dead", message.body, {"reason": reason})
        self.done(topic, message)

    def dead(self, topic: str) -> int:
        """How many dead letters there are."""
        with _stated():
            name = f"{topic}-dead"
            partitions = self._out().list_topics(name, timeout=_DELIVERY_SECONDS).topics[name].partitions
            return sum(self._length(TopicPartition(name, number)) for number in partitions)

    def _length(self, partition: TopicPartition) -> int:
        low, high = watermarks(self._settings, partition)
        return high - low

    def close(self) -> None:
        """Leave the groups; what was taken and not done is delivered to somebody else."""
        self._closed.set()
        with self._lock:
            takers, self._takers = list(self._takers.values()), {}
        for taker in takers:
            taker.close()

    def _send(self, topic: str, body: Payload, headers: dict[str, str]) -> None:
        """Send, and wait until the broker has it."""
        ended = Event()
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, record: Record) -> None:
            if error is not None:
                failed.append(error)
            ended.set()

        with _stated():
            pairs: Any = list(headers.items())
            self._out().produce(topic, json.dumps(body).encode(), headers=pairs, on_delivery=delivered)
        if not ended.wait(_DELIVERY_SECONDS * 2):
            raise Unavailable("Kafka does not answer")
        if failed:
            raise Unavailable(f"Kafka: {failed[0].str()}")

    def _out(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(self._settings | _PRODUCER)
                Thread(target=self._poll, args=(self._producer,), daemon=True, name="kafka-sent").start()
            return self._producer

    def _poll(self, producer: Producer) -> None:
        """Let the client call back when something was delivered."""
        while not self._closed.is_set():
            producer.poll(0.2)


@contextmanager
def _stated() -> Iterator[None]:
    try:
        yield
    except (KafkaException, BufferError) as error:
        raise Unavailable(f"Kafka: {error}") from error
