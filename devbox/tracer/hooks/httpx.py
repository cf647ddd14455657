"""httpx: one client span per request sent, at the transports, which are its extension point."""

from __future__ import annotations

from ..layout import CLIENT, ERROR
from ..making import begun
from ..places import caller
from ..propagation import TRACEPARENT, inject
from ..recorder import RECORDER
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt_httpx(module: ModuleType) -> None:
    """The two transports that reach the network; what an application puts around them stays around."""
    replace(module.HTTPTransport, "handle_request", _handle_request)
    replace(module.AsyncHTTPTransport, "handle_async_request", _handle_async_request)


def _handle_request(original: Any) -> Any:
    def wrapper(self: Any, request: Any) -> Any:
        if RECORDER.spool is None:
            return original(self, request)
        with _calling(request) as made:
            return _answered(made, original(self, request))

    return wrapper


def _handle_async_request(original: Any) -> Any:
    async def wrapper(self: Any, request: Any) -> Any:
        if RECORDER.spool is None:
            return await original(self, request)
        with _calling(request) as made:
            return _answered(made, await original(self, request))

    return wrapper


class _calling:
    """The span of one request, whose context the request carries unless it carries one already."""

    def __init__(self, request: Any) -> None:
        url = request.url
        about = {
            "http.request.method": request.method,
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.path": url.path,
        }
        self._request = request
        name = f"{request.method} {url.netloc.decode('ascii', 'replace')}"
        self._span = begun(caller(), name, about, CLIENT)

    def __enter__(self) -> Any:
        made = self._span.__enter__()
        if TRACEPARENT not in self._request.headers:
            inject(self._request.headers)
        return made

    def __exit__(self, *error: Any) -> None:
        self._span.__exit__(*error)


def _answered(made: Any, response: Any) -> Any:
    made.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 400:
        made.set_status(ERROR, f"HTTP {response.status_code}")
    return response
