"""Which queue it is: by its URL."""

from __future__ import annotations

from pathlib import Path

from devbox.errors import UsageError
from devbox.workload.roads.filequeue import FileQueue
from devbox.workload.roads.queue import Queue

_EXTRA = 'pip install "devbox[brokers]"'


def open_queue(url: str, state: Path) -> Queue:
    """The queue that `url` names; `file:` lies in the state folder. A missing client library is said."""
    if url == "file:":
        return FileQueue(state / "queue.db")
    if url.startswith(("redis://", "unix://")):
        try:
            from devbox.workload.roads.redisqueue import RedisQueue
        except ImportError as error:
            raise UsageError(
                "the Redis client is not installed", why=str(error), next_steps=[_EXTRA]
            ) from None
        return RedisQueue(url)
    raise UsageError(f"SHOP_QUEUE wants file:, redis://… or unix://…, found {url!r}")
