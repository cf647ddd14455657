"""An HTTP/1.1 server for one WSGI application: a thread per connection, connections kept alive."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class ThreadServer(ThreadingHTTPServer):
    """Serves `application` on `place`; port 0 takes any free one."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, place: tuple[str, int], application: Application) -> None:
        super().__init__(place, _Exchange)
        self.application = application

    def server_bind(self) -> None:
        """Bind without looking the host's name up (http.server would ask DNS)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is said in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            sys.stderr.write(f"{client_address}: {type(error).__name__}: {error}\n")


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # buffered: head and body leave in one packet
    disable_nagle_algorithm = True
    server: ThreadServer

    def _answer(self) -> None:
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], error: Any = None
        ) -> Callable[..., Any]:
            started[:] = [status, headers]
            return self.wfile.write

        # What the application leaves of a request's body would be taken for the next request.
        given = BytesIO(self.rfile.read(self._length()))
        body = b"".join(self.server.application(self._environ(given), start_response))
        code, _, reason = started[0].partition(" ")
        self.send_response(int(code), reason)
        for name, value in started[1]:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in started[1]):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def _length(self) -> int:
        text = self.headers.get("content-length", "0")
        return int(text) if text.isdigit() else 0

    def _environ(self, body: BytesIO) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": self.headers.get("content-length", ""),
            "SERVER_NAME": self.server.server_name,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def log_message(self, *_: Any) -> None:
        """Requests are seen in traces and in the gateway's log, not here."""
