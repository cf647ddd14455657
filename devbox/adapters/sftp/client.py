"""An SFTP client that keeps hundreds of requests under way and checks every answer.

Work is written as tasks: generators that yield a list of requests and receive the list of their replies.
`Client.run` interleaves as many tasks as the pipeline holds.
"""

from __future__ import annotations

import itertools
import queue
import struct
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from devbox.adapters.sftp import replies, wire
from devbox.adapters.sftp.over import ByteChannel
from devbox.adapters.sftp.wire import Reply, Request
from devbox.errors import ConnectionLost

T = TypeVar("T")
Task = Generator[Sequence[Request], Sequence[Reply], T]

IN_FLIGHT = 8192
"""Requests under way; new tasks wait above this."""
HANDLES = 400
"""Files open there, where the server does not say how many it allows; some run into a limit near 1,000."""
SILENCE = 120.0
"""Seconds without any answer, while some are due, until the server counts as hung; SSH notices dead links."""


@dataclass(slots=True)
class _Flight:
    """Requests of one task that are under way together."""

    task: Task[Any]
    replies: list[Reply | None]
    due: int


_Arrived = tuple[_Flight, int, Reply | None]


@dataclass(slots=True)
class _Pump:
    """One `run`: its flights and the queue that the reading thread fills for it."""

    inbox: queue.SimpleQueue[list[_Arrived]] = field(default_factory=queue.SimpleQueue)
    outbox: list[bytes] = field(default_factory=list)
    under_way: int = 0


class Client:
    """One SFTP session. `run` may be called by several threads at once."""

    def __init__(self, channel: ByteChannel, silence: float = SILENCE) -> None:
        self._channel = channel
        self._silence = silence
        self._numbers = itertools.count(1)
        self._table: dict[int, tuple[_Pump, _Flight, int, int]] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._lost: Exception | None = None
        self._heard = time.monotonic()
        self._open = 0
        self.handles = HANDLES
        """How many files may be open there at once."""
        self._buffer = bytearray()
        self._hello = self._greet()
        self._thread = threading.Thread(target=self._read_replies, name="sftp-replies", daemon=True)
        self._thread.start()

    @property
    def extensions(self) -> dict[bytes, bytes]:
        """What the server offers beyond version 3."""
        return self._hello.extensions

    def run(self, tasks: Iterable[Task[T]]) -> Iterator[T]:
        """Run the tasks, many at once; their results in the order in which they end."""
        pump, waiting = _Pump(), iter(tasks)
        exhausted = False
        while not exhausted or pump.under_way:
            while not exhausted and self._has_room(pump):
                task = next(waiting, None)
                if task is None:
                    exhausted = True
                else:
                    yield from self._step(pump, task, None)
            self._flush(pump)
            if pump.under_way:
                yield from self._harvest(pump)

    def _has_room(self, pump: _Pump) -> bool:
        """Whether another task may begin."""
        return pump.under_way == 0 or (pump.under_way < IN_FLIGHT and self._open < self.handles)

    def one(self, task: Task[T]) -> T:
        """Run one task."""
        (result,) = self.run([task])
        return result

    def ask(self, request: Request) -> Reply:
        """One request, its reply."""
        return self.one(_single(request))

    def tell(self, request: Request) -> None:
        """One request whose reply nobody waits for."""
        pump, flight = _Pump(), _Flight(_single(request), [None], 1)
        with self._lock:
            number = next(self._numbers) & 0xFFFFFFFF
            self._table[number] = (pump, flight, 0, request.opens)
        try:
            with self._sending:
                self._channel.send(request.packet(number))
        except (OSError, EOFError) as error:
            self._fail(error)

    def close(self) -> None:
        """End the session; whoever still waits gets `ConnectionLost`."""
        self._fail(ConnectionLost("the SFTP session was closed"))
        self._channel.close()
        self._thread.join(2)

    def _step(self, pump: _Pump, task: Task[T], replies: Sequence[Reply] | None) -> Iterator[T]:
        """Let a task go on; put its next requests into the outbox."""
        try:
            requests = task.send(replies) if replies is not None else next(task)
        except StopIteration as end:
            yield end.value
            return
        flight = _Flight(task, [None] * len(requests), len(requests))
        with self._lock:
            if self._lost:
                raise ConnectionLost("the SFTP session broke", why=str(self._lost)) from self._lost
            for position, request in enumerate(requests):
                number = next(self._numbers) & 0xFFFFFFFF
                self._table[number] = (pump, flight, position, request.opens)
                pump.outbox.append(request.packet(number))
                # Counted as they are sent: a server takes a CLOSE before an OPEN that was sent after it.
                self._open += request.opens
        pump.under_way += len(requests)

    def _flush(self, pump: _Pump) -> None:
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

    def _harvest(self, pump: _Pump) -> Iterator[Any]:
        """Take in every reply that is there, at least one."""
        for flight, position, reply in self._arrived(pump):
            if reply is None:
                raise ConnectionLost("the SFTP session broke", why=str(self._lost)) from self._lost
            pump.under_way -= 1
            flight.replies[position] = reply
            flight.due -= 1
            if not flight.due:
                yield from self._step(pump, flight.task, [one for one in flight.replies if one is not None])

    def _arrived(self, pump: _Pump) -> list[_Arrived]:
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
                packets = [self._packet()]
                while self._whole_packet():
                    packets.append(self._packet())
                self._deliver(packets)
        except (OSError, EOFError, wire.ProtocolError) as error:
            self._fail(error)

    def _deliver(self, packets: list[bytes]) -> None:
        self._heard = time.monotonic()
        arrived: dict[int, tuple[_Pump, list[_Arrived]]] = {}
        for number, reply in map(replies.parse_reply, packets):
            with self._lock:
                found = self._table.pop(number, None)
            if found is None:
                raise wire.ProtocolError(f"an answer to request {number}, which was not asked")
            pump, flight, position, opens = found
            if opens > 0 and not reply.ok:
                with self._lock:
                    self._open -= 1  # what was not opened is not closed either
            arrived.setdefault(id(pump), (pump, []))[1].append((flight, position, reply))
        for pump, together in arrived.values():
            pump.inbox.put(together)

    def _whole_packet(self) -> bool:
        """Whether the next packet is here already."""
        if len(self._buffer) < 4:
            return False
        return len(self._buffer) - 4 >= int.from_bytes(self._buffer[:4], "big")

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._lost, waiting, self._table = self._lost or error, [*self._table.values()], {}
        for pump, flight, position, _opens in waiting:
            pump.inbox.put([(flight, position, None)])

    def _greet(self) -> wire.Hello:
        try:
            self._channel.send(wire.hello())
            greeting = replies.parse_hello(self._packet())
        except (OSError, EOFError, wire.ProtocolError) as error:
            raise ConnectionLost("no SFTP session", why=str(error)) from error
        if greeting.version != wire.VERSION:
            raise ConnectionLost("no SFTP session", why=f"the server speaks version {greeting.version}")
        return greeting

    def _packet(self) -> bytes:
        (length,) = struct.unpack(">I", self._exactly(4))
        if not 1 <= length <= wire.LARGEST_PACKET:
            # The usual cause is a shell start file that prints: its text lands where the length should be.
            head = struct.pack(">I", length)
            raise wire.ProtocolError(f"not SFTP, but {head!r}: does a shell start file on the host print?")
        return self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = self._channel.recv(256 * 1024)
            if not piece:
                raise EOFError("the other side closed the channel")
            self._buffer += piece
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def _single(request: Request) -> Task[Reply]:
    (reply,) = yield [request]
    return reply
