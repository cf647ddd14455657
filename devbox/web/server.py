"""The application factory: routes, a guard and a live channel become a server on an address.

From the standard library: a page for one developer has a handful of connections, and so `devbox trace ui`
adds nothing to install.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from devbox import __version__
from devbox.errors import DevboxError
from devbox.web import websocket
from devbox.web.body import read_body
from devbox.web.guard import Guard
from devbox.web.live import Channel
from devbox.web.model import Refused, Request, Response, Route, as_json

WORTH_COMPRESSING = 4096
IDLE = 75.0
"""Seconds that a silent connection is kept."""


class Site:
    """What a server serves. The channel is reached below /live: `ws` (WebSocket) and `poll` (`wait` seconds
    for long polling, 0 for plain polling), each with `epoch` and `after` of what the page has seen.
    """

    def __init__(self, routes: Sequence[Route], guard: Guard, channel: Channel) -> None:
        self.guard = guard
        self.channel = channel
        self._routes = [*routes, Route("GET", "/live/poll", self._poll)]

    def route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a request and its path's parts; `Refused` with 404 or 405 when there is none."""
        wanted = "GET" if method == "HEAD" else method
        found = [(route, parts) for route in self._routes if (parts := route.match(path)) is not None]
        for route, parts in found:
            if route.method == wanted:
                return route, parts
        if found:
            raise Refused(
                405, f"{path} does not take {method}", Allow=", ".join(one.method for one, _ in found)
            )
        raise Refused(404, f"there is no {path} here")

    def _poll(self, request: Request) -> Response:
        epoch, last = _seen(request)
        return as_json(self.channel.after(epoch, last, _number(request, "wait")).as_data())


def _seen(request: Request) -> tuple[str, int]:
    """What of the channel the page has seen already."""
    return request.query.get("epoch", ""), int(_number(request, "after"))


def _number(request: Request, name: str) -> float:
    try:
        return max(0.0, min(1e15, float(request.query.get(name, 0))))
    except ValueError:
        raise Refused(400, f"`{name}` is a number") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        self.site = site
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking the host's name up (http.server would ask DNS)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are everyday life: nothing is written."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"devbox/{__version__}"
    timeout = IDLE
    disable_nagle_algorithm = True

    @property
    def _site(self) -> Site:
        return cast(_Server, self.server).site

    def handle_one_request(self) -> None:
        """One request of a connection; every method goes the same way."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
        except OSError:
            self.raw_requestline = b""
        if not self.raw_requestline or len(self.raw_requestline) > 65536:
            self.close_connection = True
        elif self.parse_request():
            self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), headers)
        try:
            self._site.guard.check(request)
            if url.path == "/live/ws":
                self._websocket(request)
                return
            response = self._routed(request)
        except Refused as refused:
            self.close_connection = True  # part of its body may still be on the way
            response = refused.response()
        except DevboxError as error:
            response = as_json({"error": str(error), **error.as_data()}, 409)
        self._send(request, response)

    def _routed(self, request: Request) -> Response:
        route, parts = self._site.route(request.method, request.path)
        body = read_body(request.headers, self.rfile, route.largest)
        whole = Request(request.method, request.path, request.query, request.headers, body)
        return route.handler(whole, **parts)

    def _send(self, request: Request, response: Response) -> None:
        body, extra = _packed(request, response)
        self.send_response(response.status)
        cookie = {"Set-Cookie": self._site.guard.cookie(request)}
        for name, value in {**_SAFE, **extra, **response.headers, **cookie}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Type", response.type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if request.method != "HEAD":
            self.wfile.write(body)

    def _websocket(self, request: Request) -> None:
        self.close_connection = True
        headers = websocket.accept(request)
        epoch, last = _seen(request)
        self.send_response(101)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.connection.settimeout(None)
        link = websocket.Socket(cast(Any, self.rfile), cast(Any, self.wfile))
        threading.Thread(target=link.listen, daemon=True).start()
        while not link.closed and not self._site.channel.closed:
            batch = self._site.channel.after(epoch, last, 5.0 if epoch else 0.0)
            link.send(json.dumps(batch.as_data(), default=str))
            epoch, last = batch.epoch, batch.last

    def log_message(self, *args: Any) -> None:
        """Silent: what matters is shown by the page."""


_SAFE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def _packed(request: Request, response: Response) -> tuple[bytes, dict[str, str]]:
    """The body, compressed where the browser takes it and the way is worth it."""
    takes = "gzip" in request.headers.get("accept-encoding", "")
    loopback = request.headers.get("host", "").startswith(("127.", "localhost", "[::1]"))
    if not takes or loopback or len(response.body) < WORTH_COMPRESSING or response.status != 200:
        return response.body, {}
    return gzip.compress(response.body, 1), {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


@contextmanager
def serving(site: Site, port: int) -> Iterator[str]:
    """Serve on the guard's address until the context ends; gives the URL, with the token where
    one is needed.

    Port 0 takes any that is free. `DevboxError` when the port is taken.
    """
    host = site.guard.host
    try:
        server = _Server((host, port), site)
    except OSError as error:
        raise DevboxError(
            f"cannot listen on {host}:{port}",
            why=error.strerror or str(error),
            next_steps=["give another one: --port 0   (any that is free)"],
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    name = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{name}:{server.server_port}/" + (
            f"?token={site.guard.token}" if site.guard.token else ""
        )
    finally:
        site.channel.close()
        server.shutdown()
        server.server_close()
