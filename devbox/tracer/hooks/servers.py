"""Servers: the application that a server is given is recorded, for programs that do not do it themselves."""

from __future__ import annotations

from ..serve_asgi import TracedAsgi
from ..serve_wsgi import TracedWsgi
from . import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SERVERS = {
    "wsgiref.handlers": "servers",
    "werkzeug.serving": "servers",
    "gunicorn.app.base": "servers",
    "waitress.server": "servers",
    "uvicorn.config": "servers",
    "hypercorn.app_wrappers": "servers",
    "flask.app": "frameworks",
    "django.core.handlers.wsgi": "frameworks",
}


def _recorded(application: Any, kind: type) -> Any:
    known = (TracedWsgi, TracedAsgi)
    return application if application is None or isinstance(application, known) else kind(application)


def adapt_wsgiref_handlers(module: ModuleType) -> None:
    """Everything that serves through wsgiref: `simple_server`, CGI, Django's runserver."""

    def make(run: Any) -> Any:
        return lambda self, application: run(self, _recorded(application, TracedWsgi))

    replace(module.BaseHandler, "run", make)


def adapt_werkzeug_serving(module: ModuleType) -> None:
    """Flask's development server."""

    def make(original: Any) -> Any:
        def wrapper(self: Any, host: Any, port: Any, app: Any, *args: Any, **kwargs: Any) -> None:
            original(self, host, port, _recorded(app, TracedWsgi), *args, **kwargs)

        return wrapper

    replace(module.BaseWSGIServer, "__init__", make)


def adapt_gunicorn_app_base(module: ModuleType) -> None:
    """What each worker loads; workers of ASGI kinds load ASGI applications."""

    def make(original: Any) -> Any:
        def wrapper(self: Any) -> Any:
            asynchronous = "uvicorn" in str(self.cfg.worker_class_str)
            return original(self) if asynchronous else _recorded(original(self), TracedWsgi)

        return wrapper

    replace(module.BaseApplication, "wsgi", make)


def adapt_waitress_server(module: ModuleType) -> None:
    """`waitress.serve` and `waitress-serve`."""

    def make(original: Any) -> Any:
        return lambda application, *args, **kwargs: original(
            _recorded(application, TracedWsgi), *args, **kwargs
        )

    replace(module, "create_server", make)


def adapt_uvicorn_config(module: ModuleType) -> None:
    """uvicorn, also as gunicorn's worker; what it loads has been made an ASGI 3 application."""

    def make(load: Any) -> Any:
        def wrapper(self: Any) -> None:
            load(self)
            self.loaded_app = _recorded(self.loaded_app, TracedAsgi)

        return wrapper

    replace(module.Config, "load", make)


def adapt_hypercorn_app_wrappers(module: ModuleType) -> None:
    """hypercorn, for applications of both kinds."""

    def make(kind: type) -> Any:
        def made(original: Any) -> Any:
            def wrapper(self: Any, app: Any, *args: Any, **more: Any) -> None:
                original(self, _recorded(app, kind), *args, **more)

            return wrapper

        return made

    replace(module.ASGIWrapper, "__init__", make(TracedAsgi))
    replace(module.WSGIWrapper, "__init__", make(TracedWsgi))
