"""Frameworks: the route that a request took; and the whole request, where a server has no place for a hook.

uWSGI, mod_wsgi and FastCGI servers call the application from C, or from anywhere: there, Flask and Django
applications are recorded when they are called. An environ that has been recorded already says so.
"""

from __future__ import annotations

from ..places import At
from ..serve_wsgi import SPAN, TracedWsgi
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


def _recorded_once(call: Any) -> Any:
    place = At(call)

    def wrapper(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if SPAN in environ:
            return call(self, environ, start_response)
        return TracedWsgi(lambda *given: call(self, *given), place)(environ, start_response)

    return wrapper


def _routed(environ: dict[str, Any], route: str) -> None:
    made = environ.get(SPAN)
    if made is not None and route:
        made.set_attribute("http.route", route)
        made.rename(f"{environ.get('REQUEST_METHOD', 'GET')} {route}")


def adapt_flask_app(module: ModuleType) -> None:
    """`Flask.__call__`, and the URL rule that matched."""

    def make(dispatch: Any) -> Any:
        def wrapper(self: Any, *args: Any, **more: Any) -> Any:
            from flask import request

            if request.url_rule is not None:
                _routed(request.environ, request.url_rule.rule)
            return dispatch(self, *args, **more)

        return wrapper

    replace(module.Flask, "__call__", _recorded_once)
    replace(module.Flask, "dispatch_request", make)


def adapt_django_core_handlers_wsgi(module: ModuleType) -> None:
    """`WSGIHandler`, and the pattern that the URL resolver matched."""

    def make(resolve: Any) -> Any:
        def wrapper(self: Any, request: Any) -> Any:
            found = resolve(self, request)
            match = getattr(request, "resolver_match", None)
            if match is not None and hasattr(request, "environ"):
                _routed(request.environ, f"/{match.route}")
            return found

        return wrapper

    replace(module.WSGIHandler, "__call__", _recorded_once)
    replace(module.WSGIHandler, "resolve_request", make)
