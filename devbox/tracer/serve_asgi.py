"""ASGI 3 middleware: one server span per HTTP request or WebSocket connection."""

from __future__ import annotations

from .layout import ERROR, SERVER
from .making import begun
from .places import At
from .propagation import extract
from .recorder import RECORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
_FIELDS = frozenset((b"traceparent", b"tracestate", b"baggage"))
"""ASGI's header names are lower case already."""


class TracedAsgi:
    """The application, recorded. Its attributes stay reachable through this one."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self._place = At(application)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if RECORDER.spool is None or scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        with _server_span(self._place, scope) as made:

            async def watched(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    made.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        made.set_status(ERROR, f"HTTP {message['status']}")
                await send(message)

            await self._application(scope, receive, watched)
            route = getattr(scope.get("route"), "path", None)
            if route:
                made.set_attribute("http.route", route)
                made.rename(f"{scope.get('method', 'WEBSOCKET')} {route}")


def _server_span(place: At, scope: dict[str, Any]) -> Any:
    method = scope.get("method", "WEBSOCKET")
    path = scope.get("root_path", "") + scope["path"]
    about = {"http.request.method": method, "url.path": path, "url.scheme": scope.get("scheme", "http")}
    if scope.get("server"):
        about["server.address"] = str(scope["server"][0])
    if scope.get("client"):
        about["client.address"] = str(scope["client"][0])
    fields = [pair for pair in scope["headers"] if pair[0] in _FIELDS]
    return begun(place, f"{method} {path}", about, SERVER, extract(fields))
