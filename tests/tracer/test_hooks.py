"""Hooks are found when the application imports its libraries after the recorder was switched on."""

from __future__ import annotations

from pathlib import Path

from tests.traces.reading import run, started

ADAPTED = {
    "concurrent.futures.thread": "ThreadPoolExecutor.submit",
    "flask": "Flask.__call__",
    "grpc": "insecure_channel",
    "http.client": "HTTPConnection.getresponse",
    "httpx": "HTTPTransport.handle_request",
    "hypercorn.app_wrappers": "ASGIWrapper.__init__",
    "kafka": "KafkaProducer.send",
    "opentelemetry.sdk.trace": "TracerProvider.__init__",
    "pika": "adapters.blocking_connection.BlockingChannel.basic_publish",
    "redis": "Redis.execute_command",
    "redis.asyncio": "Redis.execute_command",
    "sqlite3": "connect",
    "subprocess": "Popen.__init__",
    "uvicorn.config": "Config.load",
    "waitress.server": "create_server",
    "werkzeug.serving": "BaseWSGIServer.__init__",
    "wsgiref.handlers": "BaseHandler.run",
}


def test_each_library_when_it_is_imported(spool: Path) -> None:

    code = f"""
        import importlib, sys, warnings
        warnings.simplefilter("ignore")
        from devbox.tracer.hooks import install
        from devbox.tracer.hooks.servers import SERVERS
        install(SERVERS)
        for name, path in {ADAPTED!r}.items():
            found = importlib.import_module(name)
            for one in path.split("."):
                found = getattr(found, one)
            assert hasattr(found, "__wrapped__"), (name, path)
        import opentelemetry.context, sqlalchemy
        assert type(opentelemetry.context._RUNTIME_CONTEXT).__module__.startswith("devbox.tracer")
        from devbox.tracer.hooks.sqlalchemy import _before
        assert sqlalchemy.event.contains(sqlalchemy.engine.Engine, "before_cursor_execute", _before)
    """
    run(code, spool)


def test_a_library_that_looks_different_is_left_as_it_is(spool: Path) -> None:
    (spool.parent / "httpx.py").write_text("HTTPTransport = None\nword = 'usable'\n")
    code = f"""
        import sys; sys.path.insert(0, {str(spool.parent)!r})
        import httpx
        print(httpx.word)
    """
    with started(code, spool) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "usable\n")
    assert err.startswith("devbox trace: httpx is not recorded: AttributeError")
    assert err.count("\n") == 1
