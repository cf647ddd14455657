"""An SFTP client that keeps hundreds of requests under way and checks every answer.

Work is written as tasks: generators that yield a list of requests and receive the list of their replies.
`Client.run` interleaves as many tasks as the pipeline holds.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from devbox.adapters.sftp import replies, wire
from devbox.adapters.sftp.flights import NUMBERS, Arrived, Flight, Pump
from devbox.adapters.sftp.over import ByteChannel
from devbox.adapters.sftp.packets import Packets
from devbox.adapters.sftp.wire import Reply, Request
from devbox.errors import ConnectionLost

T = TypeVar("T")
Task = Generator[Sequence[Request], Sequence[Reply], T]

IN_FLIGHT = 8192
"""Requests under way; tasks wait above this."""
QUEUED = 256 * 1024
"""Bytes of requests under way, besides those that the round trip hides; tasks wait above this.

More make nothing faster, they wait at the server. And OpenSSH's copies all that wait, each time it makes room
for a little more: 10,000 small files in flights of 5 MB took it longer to copy than to write.
"""
FASTEST = 64 * 1024 * 1024
"""Bytes per second that the round trip hides."""
HANDLES = 400
"""Files open there, where the server does not say how many it allows; some run into a limit near 1,000."""
SILENCE = 120.0
"""Seconds without any answer, while some are due, until the server counts as hung; SSH notices dead links."""


class Client:
    """One SFTP session. `run` may be called by several threads at once."""

    def __init__(self, channel: ByteChannel, silence: float = SILENCE) -> None:
        self._channel = channel
        self._silence = silence
        self._number = 1
        self._table: dict[int, Flight] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._lost: Exception | None = None
        self._heard = time.monotonic()
        self._open = 0
        self._round_trip = 1.0
        self.handles = HANDLES
        """How many files may be open there at once."""
        self._packets = Packets(channel)
        self._hello = self._greet()
        self._thread = threading.Thread(target=self._read_replies, name="sftp-replies", daemon=True)
        self._thread.start()

    @property
    def extensions(self) -> dict[bytes, bytes]:
        """What the server offers beyond version 3."""
        return self._hello.extensions

    def run(self, tasks: Iterable[Task[T]]) -> Iterator[T]:
        """Run the tasks, many at once; their results in the order in which they end."""
        pump, waiting = Pump(), iter(tasks)
        yield from self._fill(pump, waiting)
        while pump.under_way:
            self._flush(pump)
            self._harvest(pump)
            yield from self._fill(pump, waiting)

    def _fill(self, pump: Pump, waiting: Iterator[Task[T]]) -> Iterator[T]:
        """Let tasks go on, and others begin, while there is room."""
        while pump.under_way == 0 or self._has_room(pump):
            if pump.landed:
                flight = pump.landed.popleft()
                yield from self._step(pump, flight.task, flight.replies)
            elif pump.under_way and self._open >= self.handles:
                return
            elif task := next(waiting, None):
                yield from self._step(pump, task, None)
            else:
                return

    def _has_room(self, pump: Pump) -> bool:
        """Whether more may be sent now."""
        return pump.under_way < IN_FLIGHT and pump.size < QUEUED + self._round_trip * FASTEST

    def one(self, task: Task[T]) -> T:
        """Run one task."""
        (result,) = self.run([task])
        return result

    def ask(self, request: Request) -> Reply:
        """One request, its reply."""
        return self.one(_single(request))

    def tell(self, request: Request) -> None:
        """One request whose reply nobody waits for."""
        pump = Pump()
        with contextlib.suppress(ConnectionLost):
            self._launch(Flight(pump, _single(request), [request]))
            self._flush(pump)

    def close(self) -> None:
        """End the session; whoever still waits gets `ConnectionLost`."""
        self._fail(ConnectionLost("the SFTP session was closed"))
        self._channel.close()
        self._thread.join(2)

    def _step(self, pump: Pump, task: Task[T], replies: Sequence[Reply] | None) -> Iterator[T]:
        """Let a task go on; put its next requests into the outbox."""
        try:
            requests = task.send(replies) if replies is not None else next(task)
        except StopIteration as end:
            yield end.value
            return
        self._launch(Flight(pump, task, requests))

    def _launch(self, flight: Flight) -> None:
        """Put its requests into the outbox; their answers find it."""
        pump, size = flight.pump, 0
        with self._lock:
            if self._lost:
                raise ConnectionLost("the SFTP session broke", why=str(self._lost)) from self._lost
            flight.first = number = self._number
            for request in flight.requests:
                self._table[number] = flight
                pump.outbox.append(request.packet(number))
                size += len(request.body)
                # Counted as they are sent: a server takes a CLOSE before an OPEN that was sent after it.
                self._open += request.opens
                number = (number + 1) & NUMBERS
            self._number = number
        flight.size, flight.sent = size, time.monotonic()
        pump.under_way += len(flight.requests)
        pump.size += size

    def _flush(self, pump: Pump) -> None:
        if not pump.outbox:
            return
        data = b"".join(pump.outbox)
        pump.outbox.clear()
        try:
            with self._sending:
                self._channel.send(data)
        except (OSError, EOFError) as error:
            self._fail(error)
            raise ConnectionLost("the SFTP session broke", why=str(error)) from error

    def _harvest(self, pump: Pump) -> None:
        """Take in every reply that is there, at least one."""
        for flight, position, reply in self._arrived(pump):
            if reply is None:
                raise ConnectionLost("the SFTP session broke", why=str(self._lost)) from self._lost
            pump.under_way -= 1
            flight.replies[position] = reply
            flight.due -= 1
            if not flight.due:
                pump.size -= flight.size
                pump.landed.append(flight)
                self._round_trip = min(self._round_trip, time.monotonic() - flight.sent)

    def _arrived(self, pump: Pump) -> list[Arrived]:
        """What came for this pump. It may have to wait behind all that others asked before it."""
        left = self._silence
        while left > 0:
            try:
                return pump.inbox.get(timeout=left)
            except queue.Empty:
                left = self._heard + self._silence - time.monotonic()
        self._fail(TimeoutError(f"no answer for {self._silence:g} s"))
        return pump.inbox.get()

    def _read_replies(self) -> None:
        """Every answer goes to the pump that waits for it; what arrived together goes together."""
        try:
            while True:
                self._deliver([replies.parse_reply(packet) for packet in self._packets.take()])
        except (OSError, EOFError, wire.ProtocolError) as error:
            self._fail(error)

    def _deliver(self, answers: list[tuple[int, Reply]]) -> None:
        self._heard = time.monotonic()
        arrived: dict[Pump, list[Arrived]] = {}
        with self._lock:
            for number, reply in answers:
                flight = self._table.pop(number, None)
                if flight is None:
                    raise wire.ProtocolError(f"an answer to request {number}, which was not asked")
                position = (number - flight.first) & NUMBERS
                if not reply.ok and flight.requests[position].opens > 0:
                    self._open -= 1  # what was not opened is not closed either
                arrived.setdefault(flight.pump, []).append((flight, position, reply))
        for pump, together in arrived.items():
            pump.inbox.put(together)

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._lost, waiting, self._table = self._lost or error, [*self._table.values()], {}
        for flight in waiting:
            flight.pump.inbox.put([(flight, 0, None)])

    def _greet(self) -> wire.Hello:
        try:
            self._channel.send(wire.hello())
            greeting = replies.parse_hello(self._packets.take()[0])
        except (OSError, EOFError, wire.ProtocolError) as error:
            raise ConnectionLost("no SFTP session", why=str(error)) from error
        if greeting.version != wire.VERSION:
            raise ConnectionLost("no SFTP session", why=f"the server speaks version {greeting.version}")
        return greeting


def _single(request: Request) -> Task[Reply]:
    (reply,) = yield [request]
    return reply
