"""HTTP to a Docker daemon: JSON calls on kept connections, streams, and upgraded (raw) connections."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from devbox.errors import AuthError, DaemonError, DaemonRefused

Dial = Callable[[], socket.socket]

API_NEWEST = (1, 47)
_CALL_SECONDS = 120.0
_KEPT = 4


class Wire(http.client.HTTPConnection):
    """One HTTP connection over a stream that somebody else opened."""

    def __init__(self, dial: Dial) -> None:
        super().__init__("docker")
        self._dial = dial
        self.used = False

    def connect(self) -> None:
        self.sock = self._dial()

    def cut(self) -> None:
        """Close at once: a response that is still running is what tells the daemon to stop its work."""
        if self.sock is not None:
            with suppress(OSError):  # already gone
                self.sock.shutdown(socket.SHUT_RDWR)
        self.close()


class Http:
    """The daemon's HTTP API; `where` names the daemon in messages. Thread-safe."""

    def __init__(self, dial: Dial, where: str, duplex: Dial | None = None) -> None:
        """`duplex` opens streams that two threads may use at once, where `dial` does not."""
        self._dial, self._duplex = dial, duplex or dial
        self.where = where
        self._idle: list[Wire] = []
        self._lock = threading.Lock()
        self._api = ""

    @property
    def api(self) -> str:
        """The API version spoken: the newest that both sides know (one round trip, once)."""
        if not self._api:
            with self._reply("GET", "/_ping", None, {}) as response:
                theirs = response.headers.get("Api-Version", "1.41")
            version = min(tuple(int(part) for part in theirs.split(".")), API_NEWEST)
            self._api = ".".join(str(part) for part in version)
        return self._api

    def path(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The request target: version, escaped path, query."""
        asked = urlencode({key: _text(value) for key, value in (query or {}).items()})
        return f"/v{self.api}{quote(path)}" + (f"?{asked}" if asked else "")

    def call(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """A JSON call; `DaemonRefused` for 4xx and 5xx, else the decoded answer (None when empty)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        with self._reply(method, self.path(path, query), data, headers) as response:
            return json.loads(text) if (text := response.read()).strip() else None

    def find(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """A GET that answers None where there is no such thing."""
        return self.unless_missing("GET", path, query)

    def unless_missing(self, method: str, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """A call for which a missing thing (404) or an unchanged one (304) is fine."""
        try:
            return self.call(method, path, query)
        except DaemonRefused as refused:
            if refused.status == 404:
                return None
            raise

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """A response that is read while it grows; leaving the context cuts the connection."""
        wire = Wire(self._dial)
        with self.failures():
            wire.request(method, self.path(path, query), headers=dict(headers or {}))
            response = wire.getresponse()
        try:
            self.check(response)
            with self.failures():
                yield response
        finally:
            wire.cut()

    def dial(self) -> socket.socket:
        """A fresh stream to the daemon, which two threads may use at once."""
        return self._duplex()

    def open(self) -> Wire:
        """A connection of its own for who writes a request by hand."""
        return Wire(self._dial)

    def upgrade(
        self, path: str, query: Mapping[str, Any], body: Any, headers: Sequence[tuple[str, str]] = ()
    ) -> tuple[socket.socket, bytes]:
        """POST and switch protocols: the raw stream, and what of it was read with the head already."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [
            ("Host", "docker"),
            ("Connection", "Upgrade"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(data))),
            *(headers or (("Upgrade", "tcp"),)),
        ]
        head = f"POST {self.path(path, query)} HTTP/1.1\r\n" + "".join(
            f"{key}: {value}\r\n" for key, value in lines
        )
        with self.failures():
            sock = self._duplex()
            sock.sendall(head.encode() + b"\r\n" + data)
            return sock, self._switched(sock)

    def _switched(self, sock: socket.socket) -> bytes:
        got = b""
        while b"\r\n\r\n" not in got:
            more = sock.recv(65536)
            if not more:
                break
            got += more
        head, _, rest = got.partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].split(b" ")[1:2]
        if status not in ([b"101"], [b"200"]):
            sock.close()
            code = int(status[0]) if status else 0
            raise DaemonRefused("the daemon refused", status=code, where=self.where, why=_reason(rest))
        return rest

    def check(self, response: http.client.HTTPResponse) -> None:
        """Raise what the daemon said when it said no."""
        if response.status >= 400:
            why = _reason(response.read())
            raise DaemonRefused("the daemon refused", status=response.status, where=self.where, why=why)

    @contextmanager
    def _reply(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        with self.failures():
            wire, response = self._exchange(method, target, body, headers)
            try:
                self.check(response)
                yield response
                response.read()
            except BaseException:
                wire.close()
                raise
        self._keep(wire)

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Wire, http.client.HTTPResponse]:
        with self._lock:
            wire = self._idle.pop() if self._idle else Wire(self._dial)
        try:
            return wire, self._ask(wire, method, target, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError):
            wire.close()
            if not wire.used:
                raise
            # A kept connection that the other side had closed meanwhile: nothing was answered, ask again.
            wire = Wire(self._dial)
            return wire, self._ask(wire, method, target, body, headers)

    def _ask(
        self, wire: Wire, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if wire.sock is None:
            wire.connect()
        wire.sock.settimeout(_CALL_SECONDS)
        wire.request(method, target, body=body, headers=dict(headers))
        return wire.getresponse()

    def _keep(self, wire: Wire) -> None:
        wire.used = True
        with self._lock:
            if wire.sock is not None and len(self._idle) < _KEPT:
                self._idle.append(wire)
                return
        wire.close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Foreign errors end here."""
        steps = ("devbox doctor   (walks the chain and names the broken link)",)
        try:
            yield
        except ssl.SSLError as error:
            raise AuthError(
                "TLS with the Docker daemon failed",
                where=self.where,
                why=_ssl_reason(error),
                next_steps=steps,
            ) from error
        except TimeoutError as error:
            raise DaemonError(
                "the Docker daemon did not answer in time", where=self.where, next_steps=steps
            ) from error
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", "") or str(error) or type(error).__name__
            raise DaemonError(
                "the Docker daemon cannot be reached", where=self.where, why=why, next_steps=steps
            ) from error


def _ssl_reason(error: ssl.SSLError) -> str:
    return str(getattr(error, "verify_message", "") or error.reason or error)


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
