"""The gateway where nginx is not installed: the same routes, headers and spans, from the standard library."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable
from queue import Empty, LifoQueue
from typing import Any

from devbox.workload import hops
from devbox.workload.failures import Unavailable
from devbox.workload.roads.rest import headers_of, reply
from devbox.workload.servers.routes import name_of, page, service_of
from devbox.workload.settings import Place, Settings

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length"}
"""Headers that speak of one connection and are not handed on (RFC 9110, section 7.6.1)."""

_SECONDS = 30.0


class Gateway:
    """A WSGI application that hands requests on."""

    def __init__(self, settings: Settings) -> None:
        self._places = settings.places
        self._idle: dict[str, LifoQueue[http.client.HTTPConnection]] = {
            name: LifoQueue() for name in settings.places
        }

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == "/":
            body = page().read_bytes()
            start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
            return [body]
        service = service_of(path)
        if service is None:
            return reply(start_response, 404, {"error": {"kind": "not-found", "message": f"no route {path}"}})
        return self._hand_on(service, environ, start_response)

    def _hand_on(
        self, service: str, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        headers = {name: value for name, value in headers_of(environ).items() if name not in _HOP_BY_HOP}
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        with hops.entering(name_of(environ["REQUEST_METHOD"], environ["PATH_INFO"]), headers) as trace:
            try:
                status, kind, answer = self._exchange(service, environ, headers, body)
            except Unavailable as failure:
                status, kind = 502, "application/json"
                answer = b'{"error": {"kind": "unavailable", "message": "%s"}}' % str(failure).encode()
        line = f"{status} {http.client.responses.get(status, '')}"
        start_response(
            line, [("Content-Type", kind), ("Content-Length", str(len(answer))), ("X-Trace-Id", trace)]
        )
        return [answer]

    def _exchange(
        self, service: str, environ: dict[str, Any], headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        connection = self._connection(service, self._places[service])
        target = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
        try:
            connection.request(environ["REQUEST_METHOD"], target, body, headers)
            response = connection.getresponse()
            answer = response.status, response.headers.get("content-type", "text/plain"), response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unavailable(f"{service}: {error or type(error).__name__}") from None
        self._idle[service].put(connection)
        return answer

    def _connection(self, service: str, place: Place) -> http.client.HTTPConnection:
        try:
            return self._idle[service].get_nowait()
        except Empty:
            return http.client.HTTPConnection(place.host, place.http, timeout=_SECONDS)
