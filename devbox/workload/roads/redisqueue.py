"""The queue in Redis: a stream per topic with one consumer group, so that many workers share it.

What a taker holds is pending in the group; when its taker has died, another one claims it after the lease.
What is handed back waits in a sorted set until it is due. How much of it survives the death of Redis itself
is up to its `appendonly` setting.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from devbox.workload.contract import Payload
from devbox.workload.failures import Unavailable
from devbox.workload.roads.queue import Message

_GROUP = "workers"

# In one step, so that a message that became due is never in neither place.
_MOVE_DUE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 16)
for _, packed in ipairs(due) do
  redis.call('XADD', KEYS[1], '*', 'message', packed)
  redis.call('ZREM', KEYS[2], packed)
end
"""

_SLICE = 0.1
"""The longest single wait in seconds: between two, what was handed back or left by the dead is looked for."""


class RedisQueue:
    """A queue on the Redis at `url` (`redis://host:port/number`, `unix:///path`)."""

    def __init__(self, url: str, lease: float = 10.0) -> None:
        self._redis: Any = redis.Redis.from_url(url, decode_responses=True)
        self._lease = lease
        self._name = uuid.uuid4().hex
        self._known: set[str] = set()

    def put(self, topic: str, body: Payload) -> None:
        """Hand a message over (see `Queue.put`)."""
        with _stated():
            self._redis.xadd(topic, {"message": _pack(body, 1)})

    def take(self, topic: str, wait: float) -> Message | None:
        """Take the next message (see `Queue.take`)."""
        end = time.monotonic() + wait
        with _stated():
            self._join(topic)
            while True:
                found = self._claim(topic) or self._read(topic, end)
                if found is not None or time.monotonic() >= end:
                    return found

    def _join(self, topic: str) -> None:
        if topic in self._known:
            return
        try:
            self._redis.xgroup_create(topic, _GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):  # somebody else made it
                raise
        self._known.add(topic)

    def _claim(self, topic: str) -> Message | None:
        self._redis.eval(_MOVE_DUE, 2, topic, f"{topic}:later", time.time())
        idle = int(self._lease * 1000)
        entries = self._redis.xautoclaim(topic, _GROUP, self._name, min_idle_time=idle, count=1)[1]
        for ticket, fields in entries:
            held = self._redis.xpending_range(topic, _GROUP, min=ticket, max=ticket, count=1)
            again = held[0]["times_delivered"] - 1 if held else 1
            return _message(ticket, fields, again)
        return None

    def _read(self, topic: str, end: float) -> Message | None:
        left = max(0.001, min(_SLICE, end - time.monotonic()))
        found = self._redis.xreadgroup(
            _GROUP, self._name, {topic: ">"}, count=1, block=max(1, int(left * 1000))
        )
        for _, entries in found or ():
            for ticket, fields in entries:
                return _message(ticket, fields, 0)
        return None

    def done(self, topic: str, message: Message) -> None:
        """Forget a message (see `Queue.done`)."""
        with _stated(), self._redis.pipeline() as steps:
            self._forget(steps, topic, message).execute()

    def again(self, topic: str, message: Message, delay: float) -> None:
        """Deliver a message once more (see `Queue.again`)."""
        packed = _pack(message.body, message.attempt + 1)
        with _stated(), self._redis.pipeline() as steps:
            steps.zadd(f"{topic}:later", {packed: time.time() + delay})
            self._forget(steps, topic, message).execute()

    def bury(self, topic: str, message: Message, reason: str) -> None:
        """Put a message with the dead letters (see `Queue.bury`)."""
        with _stated(), self._redis.pipeline() as steps:
            steps.xadd(f"{topic}:dead", {"message": _pack(message.body, message.attempt), "reason": reason})
            self._forget(steps, topic, message).execute()

    @staticmethod
    def _forget(steps: Any, topic: str, message: Message) -> Any:
        steps.xack(topic, _GROUP, message.ticket)
        return steps.xdel(topic, message.ticket)

    def dead(self, topic: str) -> int:
        """How many dead letters there are."""
        with _stated():
            return int(self._redis.xlen(f"{topic}:dead"))

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()


def _pack(body: Payload, attempt: int) -> str:
    # The number makes equal messages different members of the sorted set.
    return json.dumps({"body": body, "attempt": attempt, "number": uuid.uuid4().hex})


def _message(ticket: str, fields: dict[str, str], again: int) -> Message:
    packed = json.loads(fields["message"])
    since = time.time_ns() if again else int(ticket.partition("-")[0]) * 1_000_000
    return Message(packed["body"], since, packed["attempt"] + again, ticket)


@contextmanager
def _stated() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(f"Redis: {error}") from error
