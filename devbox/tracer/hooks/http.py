"""Outgoing HTTP of the standard library: `http.client`, and with it urllib and whatever stands on it."""

from __future__ import annotations

from ..layout import CLIENT, ERROR
from ..making import begun
from ..places import caller
from ..propagation import headers
from ..recorder import CURRENT, RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_RUNNING = "_devbox_span"


def adapt_http_client(module: ModuleType) -> None:
    """One client span per request: from the request line to the response's head.

    urllib, urllib3 and requests stand on this class, so theirs are recorded here too.
    """
    connection = module.HTTPConnection
    replace(connection, "putrequest", _begin)
    replace(connection, "endheaders", _send_context)
    replace(connection, "getresponse", _finish)


def _begin(putrequest: Any) -> Any:
    def wrapper(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.spool is not None:
            about = {
                "http.request.method": method,
                "server.address": self.host,
                "server.port": self.port,
                "url.path": url.split("?", 1)[0],
            }
            made = begun(caller(), f"{method} {self.host}:{self.port}", about, CLIENT)
            self.__dict__[_RUNNING] = made.begin()
        return putrequest(self, method, url, *args, **kwargs)

    return wrapper


def _send_context(endheaders: Any) -> Any:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = self.__dict__.get(_RUNNING)
        token = CURRENT.set(running._cell) if running is not None else None
        try:
            if not _has_context(self):
                for name, value in headers():
                    self.putheader(name, value)
        finally:
            if token is not None:
                CURRENT.reset(token)
        try:
            return endheaders(self, *args, **kwargs)
        except BaseException as error:
            _failed(self, error)
            raise

    return wrapper


def _has_context(connection: Any) -> bool:
    """Whether the application, or a library above us, has put its own traceparent there."""
    return any(line.lower().startswith(b"traceparent:") for line in connection._buffer)


def _finish(getresponse: Any) -> Any:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            response = getresponse(self, *args, **kwargs)
        except BaseException as error:
            _failed(self, error)
            raise
        running = self.__dict__.pop(_RUNNING, None)
        if running is not None:
            running.set_attribute("http.response.status_code", response.status)
            if response.status >= 400:  # OpenTelemetry's HTTP conventions: for a client, 4xx is an error too
                running.set_status(ERROR, f"HTTP {response.status}")
            running.end()
        return response

    return wrapper


def _failed(connection: Any, error: BaseException) -> None:
    running = connection.__dict__.pop(_RUNNING, None)
    if running is not None:
        running.record_exception(error)
        running.end()
