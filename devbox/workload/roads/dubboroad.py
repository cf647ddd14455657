"""Dubbo (Triple): the operations as the methods in shop.proto, over Apache Dubbo's own client and server.

apache-dubbo 3.0.0b1 hands neither headers nor deadlines to its users, on neither side, and a client that
cannot connect waits three seconds. So headers, time left and failures travel in an envelope around each
message (`Carried`, `Answered`), a thread of its own lets a call be given up at its deadline, and a port is
tried before a client is made. A call whose callee died is never answered: its thread waits as long as the
process lives.
Nothing in its public interface ends a client or a server: `_end` reaches behind it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from threading import Lock
from typing import Any

import dubbo
from dubbo.configs import LoggerConfig, ReferenceConfig, ServiceConfig
from dubbo.loggers import loggerFactory
from dubbo.proxy.handlers import RpcMethodHandler, RpcServiceHandler

from devbox.workload.contract import OPERATIONS, Operation, Payload
from devbox.workload.failures import DeadlineExceeded, Unavailable, from_data, to_data
from devbox.workload.roads.desk import Desk, Headers
from devbox.workload.roads.messages import Answered, Carried, decode, encode, method_of


def _same(data: bytes) -> bytes:
    """Messages are encoded and decoded here, not by Dubbo."""
    return data


def _quiet() -> None:
    """Dubbo logs each connection and each that fails, in colours; what matters is told as failures."""
    loggerFactory.set_config(LoggerConfig(level=logging.getLevelName(logging.CRITICAL)))


class DubboRoad:
    """Calls over one connection, made when it is needed and anew when it broke."""

    def __init__(self, host: str, port: int) -> None:
        _quiet()
        self._place = (host, port)
        self._lock = Lock()
        self._clients: dict[str, Any] = {}

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call over Dubbo."""
        method = method_of(wanted)
        carried = Carried(headers=headers, message=encode(method.input_type, payload)).SerializeToString()
        work = _apart(lambda: self._exchange(method, carried, timeout))
        try:
            answer = Answered.FromString(work.result(timeout))
        except NoAnswer:
            raise DeadlineExceeded(f"no answer within {timeout:.2f} s") from None
        if answer.kind:
            raise from_data({"kind": answer.kind, "message": answer.failure})
        return decode(method.output_type, answer.message)

    def _exchange(self, method: Any, carried: bytes, timeout: float) -> bytes:
        client = self._client(method.containing_service.full_name, timeout)
        try:
            return bytes(client.unary(method.name, _same, _same)(carried))
        except Exception as error:  # noqa: BLE001  whatever it raises, the call may have happened
            raise Unavailable(f"Dubbo: {error}") from None

    def _client(self, service: str, timeout: float) -> Any:
        with self._lock:
            client = self._clients.get(service)
            if client is not None and client._invoker.is_available():
                return client
            if client is not None:
                _end(client._invoker.destroy)
            try:
                socket.create_connection(self._place, timeout).close()
                host, port = self._place
                client = dubbo.Client(ReferenceConfig.from_url(f"tri://{host}:{port}/{service}"))
            except Exception as error:  # noqa: BLE001  whatever it raises: there is no connection
                self._clients.pop(service, None)
                raise Unavailable(f"{self._place[0]}:{self._place[1]}: {error}") from None
            self._clients[service] = client
            return client

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            for client in self._clients.values():
                _end(client._invoker.destroy)
            self._clients.clear()


class DubboServer:
    """The callee's end: the methods of one service."""

    def __init__(self, desk: Desk, host: str, port: int) -> None:
        _quiet()
        methods = [method_of(one) for one in OPERATIONS if one.service == desk.service]
        handlers = [
            RpcMethodHandler.unary(_answering(desk, one), method_of(one).name, _same, _same)
            for one in OPERATIONS
            if one.service == desk.service
        ]
        service = RpcServiceHandler(methods[0].containing_service.full_name, handlers)
        self._server = dubbo.Server(ServiceConfig(service, host, port))
        self._closed = threading.Event()

    def serve(self) -> None:
        """Answer calls until `close`."""
        self._server.start()
        self._closed.wait()
        _end(self._server._protocol._server.close)

    def close(self) -> None:
        """Stop; what is under way gets no answer."""
        self._closed.set()


def _answering(desk: Desk, wanted: Operation) -> Callable[[bytes], bytes]:
    method = method_of(wanted)

    def answer(data: bytes) -> bytes:
        try:
            carried = Carried.FromString(data)
            payload = decode(method.input_type, carried.message)
            result = desk.handle("dubbo", wanted.name, payload, dict(carried.headers))
            return bytes(Answered(message=encode(method.output_type, result)).SerializeToString())
        except Exception as failure:  # noqa: BLE001  whatever happened, the caller gets an answer
            told = to_data(failure)
            return bytes(Answered(kind=told["kind"], failure=told["message"]).SerializeToString())

    return answer


def _apart(work: Callable[[], bytes]) -> Future[bytes]:
    """Do it in a thread that holds up nobody: neither other calls nor the end of the process."""
    done: Future[bytes] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as failure:  # noqa: BLE001  it is raised where the result is asked for
            done.set_exception(failure)

    threading.Thread(target=run, daemon=True, name="dubbo call").start()
    return done


def _end(closing: Callable[[], None]) -> None:
    with suppress(Exception):  # it is being thrown away: that it is broken already is no news
        closing()
