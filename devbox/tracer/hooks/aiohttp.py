"""aiohttp: a client span per request by its own tracing (`TraceConfig`), a server span by a middleware."""

from __future__ import annotations

from importlib import import_module

from ..layout import CLIENT, ERROR, SERVER
from ..making import begun
from ..places import At, caller
from ..propagation import TRACEPARENT, extract, inject
from ..recorder import RECORDER
from ..spans import active
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def adapt_aiohttp_client(module: ModuleType) -> None:
    """Sessions made from now on. A span lasts until the answer's head is there, redirects included."""
    asking = module.TraceConfig()
    asking.on_request_start.append(_asked)
    asking.on_request_end.append(_answered)
    asking.on_request_exception.append(_failed)

    def make(original: Any) -> Any:
        def wrapper(self: Any, *args: Any, **more: Any) -> None:
            more["trace_configs"] = [*(more.get("trace_configs") or ()), asking]
            original(self, *args, **more)

        return wrapper

    replace(module.ClientSession, "__init__", make)


async def _asked(session: Any, context: Any, request: Any) -> None:
    context.devbox = None
    if RECORDER.spool is None:
        return
    url = request.url
    about = {
        "http.request.method": request.method,
        "server.address": url.host,
        "server.port": url.port,
        "url.path": url.path,
    }
    context.devbox = made = begun(caller(), f"{request.method} {url.authority}", about, CLIENT).begin()
    if TRACEPARENT not in request.headers:
        with active(made):
            inject(request.headers)


async def _answered(session: Any, context: Any, about: Any) -> None:
    made = context.devbox
    if made is not None:
        _say_status(made, about.response.status, 400)
        made.end()


async def _failed(session: Any, context: Any, about: Any) -> None:
    made = context.devbox
    if made is not None:
        made.record_exception(about.exception)
        made.end()


def adapt_aiohttp_web_app(module: ModuleType) -> None:
    """Applications made from now on; one within another is recorded once."""
    # From where they are made: `aiohttp.web` itself may be half imported now.
    answers = import_module("aiohttp.web_exceptions").HTTPException
    middleware = import_module("aiohttp.web_middlewares").middleware

    async def serve(request: Any, handler: Any) -> Any:
        found = request.match_info
        if RECORDER.spool is None or found.current_app is not found.apps[0]:
            return await handler(request)
        with _served(request) as made:
            try:
                answer = await handler(request)
            except answers as error:  # an answer, too, and no failure of the application's
                if error.status >= 500:
                    raise
                answer = error
            _say_status(made, answer.status, 500)
        if isinstance(answer, answers):
            raise answer
        return answer

    recorded = middleware(serve)

    def make(original: Any) -> Any:
        def wrapper(self: Any, *args: Any, **more: Any) -> None:
            more["middlewares"] = (recorded, *more.get("middlewares", ()))
            original(self, *args, **more)

        return wrapper

    replace(module.Application, "__init__", make)


def _served(request: Any) -> Any:
    resource = request.match_info.route.resource
    about = {"http.request.method": request.method, "url.path": request.path, "url.scheme": request.scheme}
    if resource is not None:
        about["http.route"] = resource.canonical
    if request.remote:
        about["client.address"] = request.remote
    name = f"{request.method} {about.get('http.route', request.path)}"
    return begun(At(request.match_info.handler), name, about, SERVER, extract(request.headers))


def _say_status(made: Any, status: int, failed: int) -> None:
    made.set_attribute("http.response.status_code", status)
    if status >= failed:
        made.set_status(ERROR, f"HTTP {status}")
