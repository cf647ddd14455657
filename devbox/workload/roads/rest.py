"""REST: the operations as HTTP/JSON, served as a WSGI application and called over kept-alive connections."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Callable, Iterable
from queue import Empty, LifoQueue
from typing import Any
from urllib.parse import parse_qsl, urlencode

from devbox.workload import hops
from devbox.workload.contract import Operation, Payload, route
from devbox.workload.failures import (
    DeadlineExceeded,
    Defect,
    Failure,
    NotFound,
    Refused,
    Unavailable,
    from_data,
    to_data,
)
from devbox.workload.faults import Calm, Trouble
from devbox.workload.roads.desk import Desk, Headers

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

KEY_HEADER = "idempotency-key"
_BODY_LIMIT = 1 << 20


def application(desk: Desk) -> Application:
    """The WSGI application (PEP 3333) of a service."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, result = 200, _handle(desk, environ)
        except Failure as failure:
            status, result = failure.status, {"error": to_data(failure)}
        except Exception as defect:  # noqa: BLE001  a defect of a service is an answer, not the end of its server
            status, result = 500, {"error": to_data(defect)}
        return reply(start_response, status, result)

    return answer


def reply(start_response: StartResponse, status: int, result: Payload) -> Iterable[bytes]:
    """Answer a WSGI request with JSON."""
    body = json.dumps(result).encode()
    reason = http.client.responses.get(status, "")
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {reason}", headers)
    return [body]


def body_of(environ: Environ) -> Payload:
    """The JSON object in a request's body; `Refused` when it is none. An empty body is an empty object."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _BODY_LIMIT:
        raise Refused(f"a body of {length} bytes is too long: at most {_BODY_LIMIT}")
    try:
        found = json.loads(environ["wsgi.input"].read(length) or b"{}")
    except ValueError as error:
        raise Refused(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused("the body is not a JSON object")
    return found


def headers_of(environ: Environ) -> dict[str, str]:
    """A request's headers by lower-case name."""
    return {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def _handle(desk: Desk, environ: Environ) -> Payload:
    found = route(desk.service, environ["REQUEST_METHOD"], environ["PATH_INFO"])
    if found is None:
        raise _no_route(environ)
    wanted, payload = found
    headers = headers_of(environ)
    payload |= dict(parse_qsl(environ.get("QUERY_STRING", "")))
    payload |= body_of(environ)
    if wanted.keyed:
        payload.setdefault("key", headers.get(KEY_HEADER) or uuid.uuid4().hex)
    return desk.handle("rest", wanted.name, payload, headers)


def _no_route(environ: Environ) -> Failure:
    return NotFound(f"nothing answers {environ['REQUEST_METHOD']} {environ['PATH_INFO']}")


class RestRoad:
    """Calls over HTTP/1.1, one connection per call under way, kept for the next one."""

    def __init__(self, host: str, port: int, trouble: Trouble | None = None) -> None:
        self._place = (host, port)
        self._trouble = trouble or Calm()
        self._idle: LifoQueue[http.client.HTTPConnection] = LifoQueue()

    def call(self, wanted: Operation, payload: Payload, headers: Headers, timeout: float) -> Payload:
        """Carry a call over REST."""
        path, rest = wanted.url(payload)
        sent = dict(headers)
        body = b""
        if wanted.method == "GET":
            path += "?" + urlencode(rest) if rest else ""
        else:
            sent["content-type"] = "application/json"
            if wanted.keyed:
                sent[KEY_HEADER] = str(rest.pop("key"))
            body = json.dumps(rest).encode()
        status, text = self._exchange(wanted.method, path, body, sent, timeout)
        return _understand(status, text)

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str], timeout: float
    ) -> tuple[int, bytes]:
        connection = self._connection(timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.status, response.read()
        except TimeoutError:
            connection.close()
            raise DeadlineExceeded(f"no answer from {self._name()} within {timeout:.2f} s") from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.close()  # the idle ones led to the same process: none of them must cost another try
            raise Unavailable(f"{self._name()}: {error or type(error).__name__}") from None
        if self._trouble.level("slow-dns", "resolve"):
            connection.close()
        else:
            self._idle.put(connection)
        return answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            return self._connect(timeout)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._place
        with hops.inside("resolve", host=host):
            self._trouble.strike("resolve")
            try:
                address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
            except OSError as error:
                raise Unavailable(f"{host}: {error}") from None
        return http.client.HTTPConnection(address, port, timeout=timeout)

    def _name(self) -> str:
        return f"{self._place[0]}:{self._place[1]}"

    def close(self) -> None:
        """Close the idle connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def _understand(status: int, text: bytes) -> Payload:
    try:
        answer = json.loads(text)
    except ValueError:
        raise Defect(f"an answer with status {status} that is not JSON") from None
    if status >= 400:
        raise from_data(answer.get("error") if isinstance(answer, dict) else None)
    return answer if isinstance(answer, dict) else {}
