"""Whole applications: WSGI and ASGI servers, outgoing calls, databases, threads, whole packages."""

from __future__ import annotations

import asyncio
import http.client
import sqlite3
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from devbox import tracer
from tests.tracer.inside import recording
from tests.traces.reading import Reader, run


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def served(app: Callable[..., Iterable[bytes]]) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, tracer.wsgi(app), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/crash":
        raise RuntimeError("crash")
    start_response("500 Oh" if path == "/bad" else "200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return (part for part in streamed())
    return [b"hello"]


@tracer.traced
def streamed() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


def test_a_request_over_http_is_one_trace(reader: Reader) -> None:
    with recording(reader, hooks=True), served(application) as url, tracer.span("client side"):
        assert urllib.request.urlopen(f"{url}/hello?q=secret").read() == b"hello"
    client = next(span for span in reader.spans() if span.operation.kind == "client")
    server = reader.named("GET /hello")
    assert client.parent_id == reader.named("client side").span_id
    assert (server.trace_id, server.parent_id) == (client.trace_id, client.span_id)
    assert server.attributes["http.response.status_code"] == 200
    assert client.attributes["http.response.status_code"] == 200
    assert "secret" not in str(client.attributes)
    assert (server.operation.function, server.operation.file) == (f"{__name__}.application", __file__)
    assert server.operation.line == application.__code__.co_firstlineno
    assert client.operation.file == __file__


def test_a_streamed_body_belongs_to_the_request(reader: Reader) -> None:
    with recording(reader), served(application) as url:
        assert urllib.request.urlopen(f"{url}/stream").read() == b"onetwo"
    request, body = reader.named("GET /stream"), reader.named(f"{__name__}.streamed")
    assert body.parent_id == request.span_id
    assert request.end >= body.end


@pytest.mark.parametrize(("path", "message"), [("/bad", "HTTP 500 Oh"), ("/crash", "RuntimeError: crash")])
def test_failures_of_the_application(
    reader: Reader, path: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with recording(reader), served(application) as url, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + path)
    caught.value.close()
    span = reader.named(f"GET {path}")
    assert (span.status, span.message) == ("error", message)


def test_a_refused_connection_is_an_error_of_the_call(reader: Reader) -> None:
    with recording(reader, hooks=True):
        connection = http.client.HTTPConnection("127.0.0.1", 1)
        with pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/")
    (span,) = reader.spans()
    assert (span.operation.kind, span.status) == ("client", "error")


def test_a_context_that_the_application_sends_itself_is_left_alone(reader: Reader) -> None:
    seen = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["HTTP_TRACEPARENT"])
        return application(environ, start_response)

    own = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    with recording(reader, hooks=True), served(app) as url, tracer.span("x"):
        urllib.request.urlopen(urllib.request.Request(url, headers={"traceparent": own})).read()
    assert seen == [own]


def test_asgi(reader: Reader) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/orders",
        "scheme": "http",
        "server": ("shop", 80),
        "client": ("10.0.0.1", 5),
        "headers": [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")],
    }
    with recording(reader):
        asyncio.run(tracer.asgi(app)(scope, None, send))
    span = reader.named("POST /orders")
    assert (span.trace_id, span.parent_id) == ("a" * 32, "b" * 16)
    assert (span.status, span.attributes["http.response.status_code"]) == ("error", 503)
    assert len(sent) == 2


def test_sqlite_statements_without_their_values(reader: Reader) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        with sqlite3.connect(":memory:") as db:
            db.execute("CREATE TABLE t (a)")
            db.cursor().executemany("INSERT INTO t VALUES (?)", [("secret",), ("b",)])
            assert db.execute("SELECT count(*) FROM t").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError):
            db.execute("SELECT * FROM nowhere")
        db.close()
    spans = [span for span in reader.spans() if span.operation.kind == "client"]
    assert [span.operation.name for span in spans] == [
        "sqlite CREATE",
        "sqlite INSERT",
        "sqlite SELECT",
        "sqlite COMMIT",
        "sqlite SELECT",
    ]
    assert {span.parent_id for span in spans} == {reader.named("root").span_id}
    assert spans[1].attributes["db.query.text"] == "INSERT INTO t VALUES (?)"
    assert "secret" not in str(spans)
    assert spans[4].status == "error"
    lines = Path(__file__).read_text().splitlines()
    assert {span.operation.file for span in spans} == {__file__}
    assert "SELECT * FROM nowhere" in lines[spans[4].operation.line - 1]


def test_threads_and_pools_continue_the_trace(reader: Reader) -> None:
    def work(name: str) -> None:
        with tracer.span(name):
            pass

    with recording(reader, hooks=True), ThreadPoolExecutor(2) as pool:
        with tracer.span("root"):
            thread = threading.Thread(target=work, args=("thread",))
            thread.start()
            thread.join()
            list(pool.map(work, ["task"]))
        pool.submit(work, "later").result()
    root = reader.named("root")
    assert reader.named("thread").parent_id == root.span_id
    assert reader.named("task").parent_id == root.span_id
    assert reader.named("later").parent_id == ""


PACKAGE = {
    "shop/__init__.py": "",
    "shop/routes.py": """
        ROUTES = {}
        def route(path):
            def keep(function):
                ROUTES[path] = function
                return function
            return keep
        @route("/")
        def index():
            return Price(2).total()
        class Price:
            def __init__(self, amount): self.amount = amount
            @property
            def doubled(self): return self.amount * 2
            @staticmethod
            def tax(): return 1
            def total(self): return self.doubled + self.tax()
            def __repr__(self): return "Price"
        class Child(Price):
            def total(self): return super().total() + 1
    """,
    "shop/jobs.py": """
        import asyncio
        async def job():
            return sum([n async for n in numbers()])
        async def numbers():
            yield 1
            yield 2
        if __name__ == "__main__":
            print(asyncio.run(job()))
    """,
    "other.py": "def untouched(): return 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_every_function_of_a_package_even_those_given_to_decorators(
    package: Path, spool: Path, reader: Reader
) -> None:
    code = f"""
        import sys; sys.path.insert(0, {str(package)!r})
        tracer.instrument("shop")
        import other, shop.routes as routes
        assert routes.ROUTES["/"]() == 5
        assert routes.Child(1).total() == 4
        other.untouched(); repr(routes.Price(1))
        import inspect; assert "return Price(2)" in inspect.getsource(routes.index)
    """
    run(code, spool)
    spans = reader.spans()
    names = [span.operation.name.removeprefix("shop.routes.") for span in spans]
    for name in ("route", "keep", "index", "Price.__init__", "Price.doubled", "Price.tax", "Price.total"):
        assert any(one.endswith(name) for one in names), (name, names)
    assert not any("untouched" in one or "__repr__" in one for one in names)
    index = next(span for span in spans if span.operation.name == "shop.routes.index")
    assert index.operation.file == str(package / "shop/routes.py")
    lines = (package / "shop/routes.py").read_text().splitlines()
    assert lines[index.operation.line - 1].strip() in ('@route("/")', "def index():")
    assert not list((package / "shop").glob("__pycache__/routes*"))


def test_a_module_run_as_a_program(package: Path, spool: Path, reader: Reader) -> None:
    code = f"""
        import runpy, sys; sys.path.insert(0, {str(package)!r})
        tracer.instrument("shop")
        runpy.run_module("shop.jobs", run_name="__main__", alter_sys=True)
    """
    assert run(code, spool) == "3\n"
    assert {span.operation.name for span in reader.spans()} == {"__main__.job", "__main__.numbers"}


def test_modules_that_are_imported_already(package: Path, spool: Path, reader: Reader) -> None:
    code = f"""
        import sys; sys.path.insert(0, {str(package)!r})
        import shop.routes as routes
        tracer.instrument("shop")
        assert routes.Child(1).total() == 4
    """
    run(code, spool)
    names = {span.operation.name for span in reader.spans()}
    assert {"shop.routes.Child.total", "shop.routes.Price.total", "shop.routes.Price.tax"} <= names


def test_nothing_of_this_needs_an_import_of_the_libraries(tmp_path: Path) -> None:
    code = (
        "from devbox import tracer; import sys\n"
        f"tracer.configure('a', {str(tmp_path)!r})\n"
        "print(*{'sqlite3', 'http.client', 'concurrent.futures'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_coroutine_functions_stay_what_they_are(tmp_path: Path, spool: Path, reader: Reader) -> None:
    """Servers look at signatures, or call an application with nothing to see whether it is a factory."""
    source = '''
        import asyncio
        class Shop:
            async def app(self, scope, receive, send):
                """Says hello."""
                async def inner(): return scope
                return await inner()
            async def empty(self):
                """Nothing."""
            async def numbers(self):
                yield 1
            async def nested(self):
                def inside():
                    yield 2
                return list(inside())
            async def fails(self):
                raise ValueError("wrong")
    '''
    (tmp_path / "shop.py").write_text(textwrap.dedent(source))
    code = f"""
        import asyncio, inspect, sys; sys.path.insert(0, {str(tmp_path)!r})
        tracer.instrument("shop")
        import shop
        here = shop.Shop()
        assert str(inspect.signature(here.app)) == "(scope, receive, send)"
        assert here.app.__doc__ == "Says hello."
        try:
            here.app()
        except TypeError:
            print("complains")
        async def all():
            found = await here.app(1, 2, 3), await here.empty()
            return *found, [n async for n in here.numbers()], await here.nested()
        print(asyncio.run(all()))
        try:
            asyncio.run(here.fails())
        except ValueError as error:
            print(error)
    """
    said = run(code, spool).splitlines()
    assert said == ["complains", "(1, None, [1], [2])", "wrong"]
    names = {span.operation.name for span in reader.spans()}
    assert names == {
        "shop.Shop.app", "shop.Shop.app.inner", "shop.Shop.empty", "shop.Shop.numbers", "shop.Shop.nested",
        "shop.Shop.nested.inside", "shop.Shop.fails",
    }  # fmt: skip
    inner, failed = reader.named("shop.Shop.app.inner"), reader.named("shop.Shop.fails")
    assert inner.parent_id == reader.named("shop.Shop.app").span_id
    assert (failed.status, failed.message) == ("error", "ValueError: wrong")
    assert (inner.operation.file, inner.operation.line) == (str(tmp_path / "shop.py"), 6)


@pytest.mark.parametrize("terms", [800, 2000])
def test_expressions_as_deep_as_programs_write_them(
    tmp_path: Path, spool: Path, reader: Reader, terms: int
) -> None:
    """Some trees are refused where their source is compiled: such a module runs, unrecorded."""
    deep = " + ".join(["1"] * terms)
    (tmp_path / "deep.py").write_text(f"async def total():\n    return {deep}\n")
    code = f"""
        import asyncio, sys; sys.path.insert(0, {str(tmp_path)!r})
        tracer.instrument("deep")
        import deep
        print(asyncio.run(deep.total()))
    """
    assert run(code, spool) == f"{terms}\n"
    names = {span.operation.name for span in reader.spans()}
    assert names == ({"deep.total"} if terms < 1000 else set())
