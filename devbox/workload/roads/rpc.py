"""The hand-written RPC: many calls in flight on a few connections, each with its deadline, cancelled when the
caller has stopped waiting."""

from __future__ import annotations

import itertools
import socket
import time
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import Any

from devbox.workload.contract import Operation, Payload
from devbox.workload.failures import DeadlineExceeded, Unavailable, from_data, to_data
from devbox.workload.faults import Calm, Trouble
from devbox.workload.roads.desk import Desk, Headers
from devbox.workload.roads.frames import CALL, CANCEL, FAILURE, RESULT, BrokenLink, Frame, Link

Place = tuple[str, int]


class _Line:
    """The caller's end of one connection."""

    def __init__(self, place: Place, timeout: float, trouble: Trouble) -> None:
        try:
            self._link = Link(socket.create_connection(place, timeout), trouble)
        except OSError as error:
            raise Unavailable(f"{place[0]}:{place[1]}: {error}") from None
        self._ids = itertools.count(1)
        self._waiting: dict[int, Future[Payload]] = {}
        self._lock = Lock()
        self.broken = False
        Thread(target=self._receive, daemon=True, name="rpc-answers").start()

    @property
    def in_flight(self) -> int:
        return len(self._waiting)

    def call(self, body: dict[str, Any], timeout: float) -> Payload:
        number = next(self._ids)
        answer: Future[Payload] = Future()
        with self._lock:
            if self.broken:
                raise Unavailable("the connection broke")
            self._waiting[number] = answer
        try:
            self._link.send(Frame(CALL, number, body))
            return answer.result(timeout)
        except BrokenLink as broken:
            raise Unavailable(str(broken)) from None
        except NoAnswer:
            self._cancel(number)
            raise DeadlineExceeded(f"no answer within {timeout:.2f} s") from None
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def _cancel(self, number: int) -> None:
        with suppress(BrokenLink):  # nobody may be left to be told
            self._link.send(Frame(CANCEL, number))

    def _receive(self) -> None:
        try:
            while True:
                frame = self._link.receive()
                with self._lock:
                    answer = self._waiting.get(frame.call)
                if answer is not None:
                    _settle(answer, frame)
        except BrokenLink as broken:
            with self._lock:
                self.broken = True
                waiting = list(self._waiting.values())
            for answer in waiting:
                _fail(answer, Unavailable(str(broken)))
        finally:
            self._link.close()

    def end(self) -> None:
        self._link.end()


def _settle(answer: Future[Payload], frame: Frame) -> None:
    if frame.type == RESULT and isinstance(frame.body, dict):
        with suppress(InvalidStateError):  # a second answer to the same call: the first one counts
            answer.set_result(frame.body)
    else:
        _fail(answer, from_data(frame.body))


def _forget(running: dict[int, Future[None]], call: int, _: Future[None]) -> None:
    running.pop(call, None)


def _fail(answer: Future[Payload], failure: Exception) -> None:
    with suppress(InvalidStateError):  # answered already
        answer.set_exception(failure)


class RpcRoad:
    """A pool of at most `size` connections to one service; the least busy one takes the next call."""

    def __init__(self, host: str, port: int, size: int = 2, trouble: Trouble | None = None) -> None:
        self._trouble = trouble or Calm()
        self._place = (host, port)
        self._size = size
        self._lines: list[_Line] = []
        self._lock = Lock()

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call over RPC."""
        started = time.monotonic()
        line = self._line(timeout)
        left = timeout - (time.monotonic() - started)
        body = {"operation": wanted.name, "headers": dict(headers), "timeout": left, "payload": payload}
        return line.call(body, max(left, 0.0))

    def _line(self, timeout: float) -> _Line:
        with self._lock:
            self._lines = [line for line in self._lines if not line.broken]
            idle = min(self._lines, key=lambda line: line.in_flight, default=None)
            if idle is None or (idle.in_flight and len(self._lines) < self._size):
                idle = _Line(self._place, timeout, self._trouble)
                self._lines.append(idle)
            return idle

    def close(self) -> None:
        """End all connections; calls under way become `Unavailable`."""
        with self._lock:
            for line in self._lines:
                line.end()


class RpcServer:
    """The callee's end: accepts connections, carries out calls on `workers` threads."""

    def __init__(self, desk: Desk, host: str, port: int, workers: int = 16) -> None:
        self._desk = desk
        self._listening = socket.create_server((host, port), backlog=128)
        self._workers = ThreadPoolExecutor(workers, "rpc")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listening.getsockname()[1])

    def serve(self) -> None:
        """Accept connections until `close`."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            Thread(target=self._attend, args=(Link(connection),), daemon=True, name="rpc-calls").start()

    def _attend(self, link: Link) -> None:
        running: dict[int, Future[None]] = {}
        try:
            while True:
                frame = link.receive()
                if frame.type == CALL and isinstance(frame.body, dict):
                    end = time.monotonic() + float(frame.body.get("timeout", 0))
                    work = self._workers.submit(self._carry_out, link, frame, end)
                    running[frame.call] = work
                    work.add_done_callback(partial(_forget, running, frame.call))
                elif frame.type == CANCEL and frame.call in running:
                    running[frame.call].cancel()  # effective while it waits for a worker
        except BrokenLink:
            for work in list(running.values()):
                work.cancel()
        finally:
            link.close()

    def _carry_out(self, link: Link, frame: Frame, end: float) -> None:
        call = frame.body
        try:
            if time.monotonic() >= end:
                raise DeadlineExceeded("the call waited too long for a worker")
            result = self._desk.handle("rpc", call["operation"], call["payload"], call["headers"])
            answer = Frame(RESULT, frame.call, result)
        except Exception as failure:  # noqa: BLE001  whatever happened, the caller gets an answer
            answer = Frame(FAILURE, frame.call, to_data(failure))
        with suppress(BrokenLink):  # the caller is gone; it will ask again if it still wants to know
            link.send(answer)

    def close(self) -> None:
        """Stop accepting; what is under way may end."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread in `accept`; closing alone does not
        self._listening.close()
        self._workers.shutdown(wait=False, cancel_futures=True)
