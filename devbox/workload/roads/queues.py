"""Which queue it is: by its URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from devbox.errors import UsageError
from devbox.workload.roads.filequeue import FileQueue
from devbox.workload.roads.queue import Queue


def _redis(url: str) -> Queue:
    from devbox.workload.roads.redisqueue import RedisQueue

    return RedisQueue(url)


def _rabbitmq(url: str) -> Queue:
    from devbox.workload.roads.rabbitqueue import RabbitQueue

    return RabbitQueue(url)


def _kafka(url: str) -> Queue:
    from devbox.workload.roads.kafkaqueue import KafkaQueue

    return KafkaQueue(url)


_BROKERS: dict[str, tuple[str, Callable[[str], Queue]]] = {
    "redis://": ("redis", _redis),
    "unix://": ("redis", _redis),
    "amqp://": ("rabbitmq", _rabbitmq),
    "kafka://": ("kafka", _kafka),
}
"""By the beginning of the URL: the road's name, and what opens it (loading its client library)."""


def road_of(url: str) -> str:
    """The road that a broker's URL stands for; a `UsageError` when it stands for none."""
    return _broker(url)[0]


def open_queue(url: str, state: Path) -> Queue:
    """The queue that `url` names; `file:` lies in the state folder. A missing client library is said."""
    if url == "file:":
        return FileQueue(state / "queue.db")
    road, opened = _broker(url)
    try:
        return opened(url)
    except ImportError as error:
        raise UsageError(
            f"the client library for {road} is not installed",
            why=str(error),
            next_steps=['pip install "devbox[brokers]"'],
        ) from None


def _broker(url: str) -> tuple[str, Callable[[str], Queue]]:
    for beginning, broker in _BROKERS.items():
        if url.startswith(beginning):
            return broker
    known = ", ".join(f"{beginning}…" for beginning in _BROKERS)
    # Not the URL itself: there may be a password in it.
    raise UsageError(f"a queue's URL is file: (SHOP_QUEUE only) or {known}; found {url.partition(':')[0]}:…")
