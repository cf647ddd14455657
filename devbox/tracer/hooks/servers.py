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
    "wsgiref.simple_server": "servers",
    "werkzeug.serving": "servers",
    "gunicorn.app.base": "servers",
    "waitress.server": "servers",
    "uvicorn.config": "servers",
}


def _recorded(application: Any, kind: type) -> Any:
    known = (TracedWsgi, TracedAsgi)
    return application if application is None or isinstance(application, known) else kind(application)


def adapt_wsgiref_simple_server(module: ModuleType) -> None:
    """Everything that serves through `WSGIServer`, Django's runserver among them."""

    def make(set_app: Any) -> Any:
        return lambda self, application: set_app(self, _recorded(application, TracedWsgi))

    replace(module.WSGIServer, "set_app", make)


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
