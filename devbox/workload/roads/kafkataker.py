"""The taking end of a topic in Kafka."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka import Message as Record

from devbox.workload.roads.kafkaledger import Ledger
from devbox.workload.roads.queue import ANSWERS

_GROUP = "workers"
_ASK_SECONDS = 1.0

_CONSUMER: dict[str, Any] = {
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "session.timeout.ms": 6000,  # the least that a broker accepts as it is shipped
    "heartbeat.interval.ms": 1000,
    "topic.metadata.refresh.interval.ms": 1000,  # how soon a topic that is new is seen
    "allow.auto.create.topics": True,
}


@dataclass(frozen=True, slots=True, order=True)
class Delivery:
    """One message as it came. `free` is from when it may be taken, in ns since the epoch."""

    free: int
    partition: int
    offset: int
    attempt: int
    body: bytes


class Taker:
    """Takes the messages of one topic. One thread takes, any thread says that one is done."""

    def __init__(self, settings: dict[str, Any], topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer({"group.id": f"{_GROUP}-{topic}", **_CONSUMER, **settings})
        self._lock = Lock()
        self._polling = Lock()
        self._closed = False
        self._ledgers: dict[int, Ledger] = {}
        self._later: list[Delivery] = []
        # Asking for a topic makes it: a group that waits for one to appear looks for it far too seldom.
        found = self._consumer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic]
        if topic.startswith(ANSWERS):
            # Nobody shares a topic of answers: no group has to come together first.
            self._consumer.assign(
                [TopicPartition(topic, number, OFFSET_BEGINNING) for number in found.partitions]
            )
        else:
            self._consumer.subscribe([topic], on_revoke=self._lose)

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Partitions go to another taker, with everything that is not committed."""
        with self._lock:
            lost = {one.partition for one in partitions}
            self._ledgers = {number: led for number, led in self._ledgers.items() if number not in lost}
            self._later = [one for one in self._later if one.partition not in lost]
            heapq.heapify(self._later)

    def next(self, wait: float) -> Delivery | None:
        """The next message that is due, `None` when none came within `wait` seconds."""
        with self._polling:
            return self._next(time.monotonic() + wait)

    def _next(self, end: float) -> Delivery | None:
        while not self._closed:
            if (due := self._due()) is not None:
                return due
            left = end - time.monotonic()
            if left <= 0:
                return None
            record = self._consumer.poll(min(left, self._until_due()))
            if record is None or record.error() is not None:
                continue  # the client heals its connections by itself
            found = self._note(record)
            if found.free <= time.time_ns():
                return found
            heapq.heappush(self._later, found)
        return None

    def _note(self, record: Record) -> Delivery:
        pairs: Any = record.headers() or []
        headers = {name: value.decode() for name, value in pairs}
        partition, offset = record.partition() or 0, record.offset() or 0
        with self._lock:
            self._ledgers.setdefault(partition, Ledger()).take(offset)
        sent = record.timestamp()[1] * 1_000_000
        free, attempt = int(headers.get("free", sent)), int(headers.get("attempt", 1))
        return Delivery(free, partition, offset, attempt, record.value() or b"{}")

    def _due(self) -> Delivery | None:
        with self._lock:
            if self._later and self._later[0].free <= time.time_ns():
                return heapq.heappop(self._later)
            return None

    def _until_due(self) -> float:
        with self._lock:
            free = self._later[0].free if self._later else None
        return 60.0 if free is None else max(0.001, (free - time.time_ns()) / 1e9)

    def done(self, delivery: Delivery) -> None:
        """A message is done; what may be committed is, and arrives at the broker a moment later."""
        with self._lock:
            ledger = self._ledgers.get(delivery.partition)
            position = ledger.done(delivery.offset) if ledger else None
        if position is not None and not self._topic.startswith(ANSWERS):
            where = TopicPartition(self._topic, delivery.partition, position)
            self._consumer.commit(offsets=[where], asynchronous=True)

    def close(self) -> None:
        """Leave the group, once nobody waits for a message any more."""
        self._closed = True
        with self._polling:
            self._consumer.close()


def watermarks(settings: dict[str, Any], partition: TopicPartition) -> tuple[int, int]:
    """The first and the next position of a partition."""
    consumer = Consumer({"group.id": _GROUP, **settings})
    try:
        low, high = consumer.get_watermark_offsets(partition, timeout=_ASK_SECONDS)
        return low, high
    finally:
        consumer.close()
