"""Foreign Flask, Django and FastAPI applications under real servers, recorded without a changed line."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tracer.foreign import Project, project, serving
from tests.traces.reading import Reader

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "with_flask:app")
UWSGI = ("uwsgi", "--http-socket", "127.0.0.1:{port}", "--master", "--processes", "2", "--die-on-term")
UVICORN = ("uvicorn", "--port", "{port}", "with_fastapi:app")
WSGI = {
    "werkzeug": ("flask", "--app", "with_flask", "run", "--port", "{port}"),
    "gunicorn": GUNICORN,
    "gunicorn-threads": (*GUNICORN, "--threads", "4"),
    "gunicorn-preload": (*GUNICORN, "--preload"),
    "waitress": ("waitress-serve", "--listen", "127.0.0.1:{port}", "with_flask:app"),
    "uwsgi": (*UWSGI, "--module", "with_flask:app"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "wsgi:with_flask:app"),
}
ASGI = {
    "uvicorn": UVICORN,
    "uvicorn-workers": (*UVICORN, "--workers", "2"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "with_fastapi:app"),
}
ALL = [
    *(pytest.param(command, "with_flask", "/users/<int:number>", id=name) for name, command in WSGI.items()),
    *(
        pytest.param(command, "with_fastapi", "/users/{number}", id=f"asgi-{name}")
        for name, command in ASGI.items()
    ),
    pytest.param(
        (*UWSGI, "--module", "with_django:app"), "with_django", "/users/<int:number>", id="django-uwsgi"
    ),
]


@pytest.fixture
def app(tmp_path: Path) -> Project:
    return project(tmp_path)


@pytest.fixture
def seen(app: Project, tmp_path: Path) -> Iterator[Reader]:
    made = Reader(app.spool, tmp_path / "traces.db")
    yield made
    made.store.close()


def until_ended(app: Project, paths: set[str]) -> None:
    """An answer may be with its client a moment before its span has ended; wait for that moment."""
    for _ in range(200):
        spans = app.peek(app.code.parent / "peek")
        if paths <= {str(span.attributes.get("url.path")) for span in spans}:
            return
        time.sleep(0.02)
    raise AssertionError(f"not recorded: {paths}")


@pytest.mark.parametrize(("command", "module", "route"), ALL)
def test_a_request_its_route_the_apps_functions_and_its_database(
    app: Project, seen: Reader, command: tuple[str, ...], module: str, route: str
) -> None:
    with serving(app, command) as server:
        assert server.get("/users/7", traceparent=PARENT) == (200, "7")
        until_ended(app, {"/users/7"})
    spans = [span for span in seen.spans() if span.trace_id == "a" * 32]
    by_name = {span.operation.name: span for span in spans}
    request, user, price = by_name[f"GET {route}"], by_name[f"{module}.user"], by_name["prices.price"]
    assert (request.parent_id, request.operation.kind, request.status) == ("b" * 16, "server", "unset")
    assert request.attributes["http.response.status_code"] == 200
    assert (request.attributes["http.route"], request.attributes["url.path"]) == (route, "/users/7")
    assert (user.parent_id, price.parent_id) == (request.span_id, user.span_id)
    assert by_name["sqlite SELECT"].parent_id == price.span_id
    assert user.operation.file == str(app.code / f"{module}.py")
    assert request.start <= user.start <= user.end <= request.end
    assert len(spans) == len({span.span_id for span in spans})


def test_a_file_that_uwsgi_loads_by_itself(app: Project, seen: Reader) -> None:
    """uWSGI compiles it in C, past every importer: its own functions stay dark, what it imports does not."""
    command = (*UWSGI, "--wsgi-file", "with_flask.py", "--callable", "app", "--threads", "2")
    with serving(app, command) as server:
        assert server.get("/users/7", traceparent=PARENT) == (200, "7")
        until_ended(app, {"/users/7"})
    request, price = seen.named("GET /users/<int:number>"), seen.named("prices.price")
    assert (request.parent_id, price.parent_id) == ("b" * 16, request.span_id)


@pytest.mark.parametrize("command", [GUNICORN, UVICORN], ids=["gunicorn", "uvicorn"])
def test_streams_and_crashes(app: Project, seen: Reader, command: tuple[str, ...]) -> None:
    with serving(app, command) as server:
        assert server.get("/stream") == (200, "onetwo")
        assert server.get("/crash")[0] == 500
        assert server.get("/nowhere")[0] == 404
        until_ended(app, {"/stream", "/crash", "/nowhere"})
    stream, crash, nowhere = (seen.named(f"GET /{name}") for name in ("stream", "crash", "nowhere"))
    words = seen.named("prices.words")
    assert (words.trace_id, words.end <= stream.end) == (stream.trace_id, True)
    assert (crash.status, crash.attributes["http.response.status_code"]) == ("error", 500)
    assert (nowhere.status, nowhere.attributes["http.response.status_code"]) == ("unset", 404)
    assert any("RuntimeError: crash" in span.message for span in seen.spans())


KILLED = {"gunicorn": GUNICORN, "uwsgi": WSGI["uwsgi"], "uvicorn-workers": ASGI["uvicorn-workers"]}


@pytest.mark.parametrize("command", KILLED.values(), ids=KILLED)
def test_sigkill_of_all_workers_loses_no_answered_request(
    app: Project, seen: Reader, command: tuple[str, ...]
) -> None:
    with serving(app, command) as server, ThreadPoolExecutor(4) as pool:
        server.get("/users/0")
        answers = list(pool.map(lambda number: server.get(f"/users/{number}"), range(1, 200)))
        until_ended(app, {f"/users/{number}" for number in range(200)})
        server.signal(signal.SIGKILL)
    assert answers == [(200, str(number)) for number in range(1, 200)]
    spans = seen.spans()
    served = [span.attributes["url.path"] for span in spans if span.operation.kind == "server"]
    assert sorted(served) == sorted(f"/users/{number}" for number in range(200))
    account = seen.account()
    assert account.created == account.stored == len(spans)


def test_a_reload_keeps_what_old_and_new_workers_recorded(app: Project, seen: Reader) -> None:
    with serving(app, GUNICORN) as server:
        assert server.get("/users/1") == (200, "1")
        text = (app.code / "prices.py").read_text()
        (app.code / "prices.py").write_text(text.replace("def price(", "def dear(") + "\nprice = dear\n")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            server.get("/users/2")
            if any(span.operation.name == "prices.dear" for span in seen.spans()):
                break
    names = {span.operation.name for span in seen.spans()}
    assert {"prices.price", "prices.dear"} <= names
    assert seen.account().created == seen.account().stored
