"""What every queue must do, asked of each real one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from devbox.errors import UsageError
from devbox.workload.contract import operation
from devbox.workload.failures import DeadlineExceeded, Defect, NotFound, Refused
from devbox.workload.roads.desk import Desk
from devbox.workload.roads.filequeue import FileQueue
from devbox.workload.roads.queue import ATTEMPTS, Queue, QueueRoad, QueueServer
from devbox.workload.roads.queues import open_queue
from devbox.workload.roads.redisqueue import RedisQueue
from tests.workload.shops import eventually

LONG, SHORT = 60.0, 0.5
"""Seconds of a lease: longer than a busy machine stands still between taking and acknowledging, or short
enough to wait for its end."""

Opener = Callable[[], Queue]


@pytest.fixture
def lease() -> float:
    """Seconds after which the file and Redis take a taker for dead; brokers see its connection end."""
    return LONG


short_lease = pytest.mark.parametrize("lease", [SHORT], ids=[""])


@pytest.fixture(params=["file", "redis", "rabbitmq", "kafka"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, lease: float) -> Opener:
    """Opens the same queue as often as it is called, as different processes do."""
    if request.param == "file":
        return lambda: FileQueue(tmp_path / "queue.db", lease)
    url = request.getfixturevalue(f"{request.param}_url")
    if request.param == "redis":
        return lambda: RedisQueue(url, lease)
    return lambda: open_queue(url, tmp_path)


@pytest.fixture
def queue(opener: Opener) -> Iterator[Queue]:
    made = opener()
    yield made
    made.close()


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """Which queue it is."""
    return str(request.node.callspec.params["opener"])


def test_messages_come_once_and_in_order(queue: Queue, opener: Opener, topic: str, kind: str) -> None:
    sender = opener()
    for number in range(20):
        sender.put(topic, {"number": number})
    taken = []
    while (message := queue.take(topic, wait=0.3)) is not None:
        queue.done(topic, message)
        taken.append((message.body["number"], message.attempt))
    # Kafka keeps the order within each of a topic's partitions only.
    assert (sorted(taken) if kind == "kafka" else taken) == [(number, 1) for number in range(20)]
    sender.close()


def test_a_taker_that_waits_gets_what_is_sent_meanwhile(queue: Queue, opener: Opener, topic: str) -> None:
    def send() -> None:
        time.sleep(0.2)
        sender = opener()
        sender.put(topic, {"late": True})
        sender.close()

    thread = threading.Thread(target=send)
    thread.start()
    message = queue.take(topic, wait=5)
    thread.join()
    assert message is not None
    assert message.body == {"late": True}
    assert time.time_ns() - message.since < 4_000_000_000


@short_lease
def test_what_a_dead_taker_had_comes_again(queue: Queue, opener: Opener, topic: str, kind: str) -> None:
    queue.put(topic, {"number": 1})
    dead = opener()
    assert dead.take(topic, wait=1) is not None
    dead.close()
    again = eventually(lambda: queue.take(topic, wait=0.5))
    # Kafka does not count deliveries, only what was handed back.
    assert (again.body, again.attempt) == ({"number": 1}, 1 if kind == "kafka" else 2)
    queue.done(topic, again)
    assert queue.take(topic, wait=SHORT * 2) is None


def test_a_message_handed_back_comes_later_with_its_count(queue: Queue, topic: str) -> None:
    queue.put(topic, {})
    first = queue.take(topic, wait=1)
    assert first is not None
    queue.again(topic, first, delay=0.1)
    second = eventually(lambda: queue.take(topic, wait=0.5))
    assert second.attempt == 2
    queue.done(topic, second)


@short_lease
def test_buried_is_never_delivered_again(queue: Queue, topic: str) -> None:
    queue.put(topic, {"poison": True})
    message = queue.take(topic, wait=1)
    assert message is not None
    queue.bury(topic, message, "cannot be")
    assert queue.take(topic, wait=SHORT * 2) is None
    assert queue.dead(topic) == 1


def test_takers_share_the_messages(queue: Queue, opener: Opener, topic: str, kind: str) -> None:
    for number in range(60):
        queue.put(topic, {"number": number})
    taken: list[int] = []

    def take_all() -> None:
        own = opener()
        end = time.monotonic() + 20
        while len(set(taken)) < 60 and time.monotonic() < end:
            message = own.take(topic, wait=0.3)
            if message is not None:
                taken.append(message.body["number"])
                own.done(topic, message)
        own.close()

    takers = [threading.Thread(target=take_all) for _ in range(3)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    # Kafka delivers again what was not committed when a taker joined or left the group.
    assert sorted(set(taken) if kind == "kafka" else taken) == list(range(60))


def test_what_was_acknowledged_before_an_orderly_end_does_not_come_again(
    queue: Queue, opener: Opener, topic: str, kind: str
) -> None:
    """Whoever stops may be quick: acknowledge all, and be gone."""
    # A group of Kafka's takes seconds to come together again.
    takers, each = 2 if kind == "kafka" else 25, 6
    for number in range(takers * each):
        queue.put(topic, {"number": number})
    taken = []
    for _ in range(takers):
        own = opener()
        messages = [eventually(partial(own.take, topic, wait=0.5)) for _ in range(each)]
        for message in messages:
            own.done(topic, message)
        own.close()
        taken += [message.body["number"] for message in messages]
    assert sorted(taken) == list(range(takers * each))


class Letters:
    """A worker that fails as it is told."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def order_paid(self, key: str, order: str, user: str, amount: int) -> None:
        self.tried.append(key)
        if key == "poison":
            raise ValueError("cannot read this")
        if key == "refused":
            raise Refused("never")
        if key == "twice" and self.tried.count("twice") == 1:
            raise ValueError("not now")

    def find(self, user: str) -> dict[str, str]:
        if user == "nobody":
            raise NotFound("no user nobody")
        if user == "broken":
            raise ZeroDivisionError
        return {"user": user}


@pytest.fixture
def worker(opener: Opener, topic: str) -> Iterator[Letters]:
    letters = Letters()
    desk = Desk("notify", {"notifications.order_paid": letters.order_paid, "users.find": letters.find})
    queue = opener()
    server = QueueServer(desk, queue, topic)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield letters
    server.close()
    thread.join()
    queue.close()


def send(queue: Queue, topic: str, key: str) -> None:
    wanted = operation("notifications.order_paid")
    assert wanted is not None
    QueueRoad(queue, topic).call(wanted, {"key": key, "order": "o", "user": "u", "amount": 1}, {}, 1.0)


def test_what_fails_once_is_tried_again(queue: Queue, worker: Letters, topic: str) -> None:
    send(queue, topic, "twice")
    eventually(lambda: worker.tried == ["twice", "twice"])
    assert queue.dead(topic) == 0


def test_poison_is_buried_after_its_attempts_and_holds_up_nobody(
    queue: Queue, worker: Letters, topic: str
) -> None:
    send(queue, topic, "poison")
    send(queue, topic, "good")
    eventually(lambda: "good" in worker.tried)
    eventually(lambda: queue.dead(topic) == 1)
    assert worker.tried.count("poison") == ATTEMPTS


def test_what_is_refused_is_buried_at_once(queue: Queue, worker: Letters, topic: str) -> None:
    send(queue, topic, "refused")
    eventually(lambda: queue.dead(topic) == 1)
    assert worker.tried == ["refused"]


def test_calls_get_their_answers_and_failures(queue: Queue, worker: Letters, topic: str) -> None:
    wanted = operation("users.find")
    assert wanted is not None
    road = QueueRoad(queue, topic)
    assert road.call(wanted, {"user": "u1"}, {}, 5.0) == {"user": "u1"}
    with pytest.raises(NotFound, match="nobody"):
        road.call(wanted, {"user": "nobody"}, {}, 5.0)
    with pytest.raises(Defect):
        road.call(wanted, {"user": "broken"}, {}, 5.0)
    road.close()


def test_a_call_that_nobody_answers_ends_at_its_deadline(queue: Queue, topic: str) -> None:
    wanted = operation("users.find")
    assert wanted is not None
    road = QueueRoad(queue, topic)
    with pytest.raises(DeadlineExceeded):
        road.call(wanted, {"user": "u1"}, {}, 0.2)
    road.close()


def test_what_is_no_queue_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="amqp://") as caught:
        open_queue("amqps://shop:secret@somewhere", tmp_path)
    assert "secret" not in str(caught.value)
