"""Calls over a queue, whatever queue it is: events that nobody waits for, and requests with an answer.

A message is acknowledged after its effect, so a worker that dies in the middle leaves it to be delivered
again: every operation must bear being carried out twice (they are keyed). What fails again and again, or can
never succeed, goes to the dead letters.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any, Protocol

from devbox.workload import hops
from devbox.workload.contract import Operation, Payload
from devbox.workload.failures import DeadlineExceeded, Refused, Unavailable, from_data, to_data
from devbox.workload.faults import Calm, Trouble
from devbox.workload.roads.desk import Desk, Headers

ATTEMPTS = 5
"""Deliveries after which a message that fails is buried."""

_LONGEST = 5
"""Doublings of the delay between two deliveries, at most."""

WORKERS = 8
"""Messages of one topic that one process works on at once."""

ANSWERS = "answers-"
"""How the topics of answers begin: they belong to one caller and need not outlive it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was taken. `since` is from when it could be taken (ns since the epoch): sent, handed
    back, or set free by a taker's death. `attempt` counts from 1 (Kafka does not count
    what a dead taker had); `ticket` is the queue's own."""

    body: Payload
    since: int
    attempt: int = 1
    ticket: Any = field(default=None, compare=False)


class Queue(Protocol):
    """A broker, or a file. Thread-safe. Every method may raise `Unavailable`."""

    def put(self, topic: str, body: Payload) -> None:
        """Hand a message over; when this returns, it survives the death of everybody here."""
        ...

    def take(self, topic: str, wait: float) -> Message | None:
        """The next message, `None` when none came within `wait` seconds. It is out on loan until `done`,
        `again` or `bury`, or until its lease ends because the taker died."""
        ...

    def done(self, topic: str, message: Message) -> None:
        """Forget a message: its effect has happened."""
        ...

    def again(self, topic: str, message: Message, delay: float) -> None:
        """Deliver a message once more, `delay` seconds from now or later."""
        ...

    def bury(self, topic: str, message: Message, reason: str) -> None:
        """Put a message with the dead letters, where a person finds it."""
        ...

    def dead(self, topic: str) -> int:
        """How many dead letters there are."""
        ...

    def close(self) -> None: ...


class QueueRoad:
    """The caller's end: one topic per service, and one topic of its own for answers."""

    def __init__(self, queue: Queue, topic: str, trouble: Trouble | None = None) -> None:
        self._queue = queue
        self._trouble = trouble or Calm()
        self._topic = topic
        self._answers = f"{ANSWERS}{uuid.uuid4().hex}"
        self._waiting: dict[str, Future[Payload]] = {}
        self._lock = Lock()
        self._closed = Event()
        self._listener: Thread | None = None

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call over the queue; for events, accepted by the queue is enough."""
        sent = time.time_ns() - int(self._trouble.level("clock-skew", f"QueueRoad {self._topic}") * 1e9)
        body: Payload = {
            "operation": wanted.name, "headers": dict(headers), "payload": payload, "sent": sent
        }  # fmt: skip
        if wanted.event:
            self._queue.put(self._topic, body)
            return {}
        self._listen()
        number, answer = uuid.uuid4().hex, Future[Payload]()
        self._waiting[number] = answer
        try:
            self._queue.put(
                self._topic, body | {"answer": self._answers, "call": number, "until": time.time() + timeout}
            )
            return answer.result(timeout)
        except NoAnswer:
            raise DeadlineExceeded(f"no answer within {timeout:.2f} s") from None
        finally:
            self._waiting.pop(number, None)

    def _listen(self) -> None:
        with self._lock:
            if self._listener is None:
                self._listener = Thread(target=self._receive, daemon=True, name=f"{self._topic}-answers")
                self._listener.start()

    def _receive(self) -> None:
        while not self._closed.is_set():
            try:
                message = self._queue.take(self._answers, wait=0.5)
                if message is None:
                    continue
                self._queue.done(self._answers, message)
            except Unavailable:
                self._closed.wait(0.2)
                continue
            answer = self._waiting.pop(message.body["call"], None)
            if answer is not None and "failure" in message.body:
                answer.set_exception(from_data(message.body["failure"]))
            elif answer is not None:
                answer.set_result(message.body["result"])

    def close(self) -> None:
        """Stop listening for answers, and wait until nobody does."""
        self._closed.set()
        if self._listener is not None:
            self._listener.join()


class QueueServer:
    """The callee's end: takes messages of one topic and carries them out on `WORKERS` threads."""

    def __init__(
        self, desk: Desk, queue: Queue, topic: str, trouble: Trouble | None = None, road: str = "queue"
    ) -> None:
        self._road = road
        self._trouble = trouble or Calm()
        self._desk = desk
        self._queue = queue
        self._topic = topic
        self._places = BoundedSemaphore(WORKERS)
        self._workers = ThreadPoolExecutor(WORKERS, f"{topic}-{road}")
        self._closed = Event()

    def serve(self) -> None:
        """Take messages until `close`."""
        while not self._closed.is_set():
            self._places.acquire()
            self._trouble.strike(f"QueueServer {self._topic}")
            try:
                message = self._queue.take(self._topic, wait=0.5)
            except Unavailable:
                message = None
                self._closed.wait(0.2)
            if message is None:
                self._places.release()
            else:
                self._workers.submit(self._attend, message)

    def _attend(self, message: Message) -> None:
        try:
            self._carry_out(message)
        except Unavailable:
            pass  # the queue is away: the message comes again when its lease ends
        finally:
            self._places.release()

    def _carry_out(self, message: Message) -> None:
        call = message.body
        if call.get("until", float("inf")) < time.time():
            self._queue.done(self._topic, message)  # nobody waits for this answer any more
            return
        since = message.since if message.attempt > 1 else call["sent"]
        headers = hops.waited(self._topic, call["headers"], since, message.attempt)
        try:
            outcome = {"result": self._desk.handle(self._road, call["operation"], call["payload"], headers)}
        except Exception as failure:  # noqa: BLE001  what failed decides what becomes of the message
            outcome = {"failure": to_data(failure)}
            if "answer" not in call:
                self._redeliver(message, failure)
                return
        if "answer" in call:
            self._queue.put(call["answer"], outcome | {"call": call["call"]})
        self._queue.done(self._topic, message)

    def _redeliver(self, message: Message, failure: Exception) -> None:
        # What only could not be reached comes back: that says nothing against the message.
        hopeless = message.attempt >= ATTEMPTS and not isinstance(failure, Unavailable)
        if isinstance(failure, Refused) or hopeless:
            self._queue.bury(self._topic, message, str(failure))
        else:
            self._queue.again(self._topic, message, delay=0.1 * 2 ** min(message.attempt - 1, _LONGEST))

    def close(self) -> None:
        """Take no more; what is under way may end."""
        self._closed.set()
        self._workers.shutdown(wait=False)
