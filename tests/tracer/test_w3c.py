"""All situations of W3C Trace Context through real servers, direct and behind nginx."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tracer.cgi import gateway
from tests.tracer.foreign import Project, project, serving
from tests.tracer.situations import TRACE, situations

ECHO = """
    import json
    import devbox_tracer as tracer
    from flask import Flask

    app = Flask(__name__)

    @app.get("/")
    def sent_on():
        return json.dumps(dict(tracer.headers()))

    async def asgi(scope, receive, send):
        assert scope["type"] == "http"
        body = json.dumps(dict(tracer.headers())).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
"""
CGI = """
    import json
    from wsgiref.handlers import CGIHandler
    import devbox_tracer as tracer

    def app(environ, start_response):
        start_response("200 OK", [])
        return [json.dumps(dict(tracer.headers())).encode()]

    CGIHandler().run(app)
"""
UWSGI = ("uwsgi", "--master", "--die-on-term", "--module", "echo:app")
DIRECT = {
    "werkzeug": ("flask", "--app", "echo", "run", "--port", "{port}"),
    "gunicorn": ("gunicorn", "--bind", "127.0.0.1:{port}", "echo:app"),
    "waitress": ("waitress-serve", "--listen", "127.0.0.1:{port}", "echo:app"),
    "uwsgi": (*UWSGI, "--http-socket", "127.0.0.1:{port}"),
    "uvicorn": ("uvicorn", "--lifespan", "off", "--port", "{port}", "echo:asgi"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "echo:asgi"),
}
NGINX = {
    "proxy": (DIRECT["gunicorn"], "proxy_pass http://{to};"),
    "uwsgi": ((*UWSGI, "--socket", "127.0.0.1:{port}"), "uwsgi_pass {to}; include params;"),
    "fastcgi": ((*UWSGI, "--fastcgi-socket", "127.0.0.1:{port}"), "fastcgi_pass {to}; include fcgi;"),
}
NAMES = {
    "REQUEST_METHOD": "$request_method", "PATH_INFO": "$document_uri", "QUERY_STRING": "$query_string",
    "SERVER_NAME": "$server_name", "SERVER_PORT": "$server_port", "SERVER_PROTOCOL": "$server_protocol",
    "REMOTE_ADDR": "$remote_addr", "REQUEST_URI": "$request_uri",
}  # fmt: skip
_REPEATED = "before 1.23, nginx hands a repeated header on as a repeated parameter, of which one is kept"
REASONS = {
    "tracestate: two headers": _REPEATED,
    "tracestate: an empty header among others": _REPEATED,
    "two traceparents": _REPEATED,
}
"""Situation -> why it cannot hold where nginx turns headers into parameters (uwsgi_pass, fastcgi_pass, and so
CGI).
"""


@pytest.fixture
def app(tmp_path: Path) -> Project:
    made = project(tmp_path)
    (made.code / "echo.py").write_text(textwrap.dedent(ECHO))
    (made.code / "script.py").write_text(textwrap.dedent(CGI))
    return made


def unmet(port: int) -> dict[str, str]:
    """The situations that do not hold: what was sent on in each of them."""
    cases = situations()
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda case: _tried(port, *case), cases.values())
    return {name: said for name, said in zip(cases, answers, strict=True) if said}


def _tried(port: int, fields: tuple[tuple[str, str], ...], continued: bool, state: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", "/")
    for name, value in fields:
        connection.putheader(name, value.encode("latin-1"))
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    if response.status != 200:
        return f"HTTP {response.status}"
    sent: dict[str, str] = json.loads(body)
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-03", sent.get("traceparent", ""))
    good = found is not None and (found[1] == TRACE) is continued and sent.get("tracestate", "") == state
    return "" if good else body


@pytest.mark.parametrize("name", DIRECT)
def test_direct(app: Project, name: str) -> None:
    with serving(app, DIRECT[name]) as server:
        found = unmet(int(server.url.rpartition(":")[2]))
    assert not found


@pytest.mark.parametrize("name", NGINX)
def test_behind_nginx(app: Project, name: str, tmp_path: Path) -> None:
    command, location = NGINX[name]
    with serving(app, command) as server, nginx(tmp_path / "nginx", server.url[7:], location) as port:
        found = unmet(port)
    assert found.keys() <= (set() if name == "proxy" else REASONS.keys()), found


def test_cgi_behind_nginx(app: Project, tmp_path: Path) -> None:
    """One process per request: the recorder begins and ends with each."""
    command = [sys.executable, str(app.code / "script.py")]
    location = "fastcgi_pass {to}; include fcgi;"
    with gateway(command, app.environment()) as to, nginx(tmp_path / "nginx", to, location) as port:
        found = unmet(port)
    assert found.keys() <= REASONS.keys(), found


@contextmanager
def nginx(folder: Path, to: str, location: str) -> Iterator[int]:
    """nginx as installed, before the server at `to`."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    for file, word in (("params", "uwsgi_param"), ("fcgi", "fastcgi_param")):
        (folder / file).write_text("".join(f"{word} {name} {value};\n" for name, value in NAMES.items()))
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    text = "".join(f"{one}_temp_path {folder}/{one};" for one in paths)
    text = f"""daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}
    http {{ access_log off; {text}
    server {{ listen 127.0.0.1:{port}; location / {{ {location.format(to=to)} }} }} }}"""
    (folder / "nginx.conf").write_text(text)
    argv = ["nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
