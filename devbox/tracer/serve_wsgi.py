"""WSGI middleware (PEP 3333): one server span per request, from the environ to the last byte of the body."""

from __future__ import annotations

from .layout import ERROR, SERVER
from .making import begun
from .places import At
from .propagation import received
from .recorder import RECORDER
from .spans import active

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Environ = dict[str, Any]
    Application = Callable[..., Iterable[bytes]]

SPAN = "devbox.span"
"""Key of the request's span in its environ."""


class TracedWsgi:
    """The application, recorded. Its attributes stay reachable through this one (`app.route`,
    `app.config`).
    """

    def __init__(self, application: Application, place: At | None = None) -> None:
        self._application = application
        self._place = place or At(application)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if RECORDER.spool is None:
            return self._application(environ, start_response)
        made = environ[SPAN] = _server_span(self._place, environ)

        def start(status: str, headers: Any, *exc_info: Any) -> Any:
            made.set_attribute("http.response.status_code", int(status[:3]))
            if status[:1] == "5":
                made.set_status(ERROR, f"HTTP {status}")
            return start_response(status, headers, *exc_info)

        made.__enter__()
        try:
            body = self._application(environ, start)
        except BaseException as error:
            made.__exit__(type(error), error, None)
            raise
        if isinstance(body, (list, tuple)):  # whole already: nothing can take time any more
            made.__exit__(None, None, None)
            return body
        made.pause()
        return _Body(body, made)


def _server_span(place: At, environ: Environ) -> Any:
    get = environ.get
    context = received(get("HTTP_TRACEPARENT", ""), get("HTTP_TRACESTATE", ""), get("HTTP_BAGGAGE", ""))
    method = get("REQUEST_METHOD", "GET")
    path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
    about = {
        "http.request.method": method,
        "url.path": path,
        "url.scheme": get("wsgi.url_scheme", "http"),
        "server.address": get("SERVER_NAME", ""),
        "client.address": get("REMOTE_ADDR", ""),
    }
    return begun(place, f"{method} {path}", about, SERVER, context)


class _Body:
    """The response's body; the span is active whenever the application's code produces a part of it."""

    def __init__(self, body: Iterable[bytes], running: Any) -> None:
        self._body = body
        self._parts: Iterator[bytes] = iter(body)
        self._running = running

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            with active(self._running):
                return next(self._parts)
        except StopIteration:
            raise
        except BaseException as error:
            self._running.record_exception(error)
            raise

    def close(self) -> None:
        """Called by every WSGI server when the response is done, however it ended."""
        try:
            if hasattr(self._body, "close"):
                self._body.close()
        finally:
            self._running.end()
