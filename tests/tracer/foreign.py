"""Programs that know nothing of devbox, under real servers, with the recorder switched on from outside."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devbox.traces.injection import injection
from devbox.traces.model import Span
from tests.traces.reading import Reader

BIN = Path(sys.executable).parent

PRICES = """
    import sqlite3

    def price(number):
        with sqlite3.connect(":memory:") as db:
            return db.execute("SELECT ?", (number,)).fetchone()[0]

    def words():
        yield "one"
        yield "two"
"""
FLASK = """
    from flask import Flask
    from prices import price, words

    app = Flask(__name__)

    @app.get("/users/<int:number>")
    def user(number):
        return str(price(number))

    @app.get("/stream")
    def stream():
        return words()

    @app.get("/crash")
    def crash():
        raise RuntimeError("crash")
"""
FASTAPI = """
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from prices import price, words

    app = FastAPI()

    @app.get("/users/{number}")
    async def user(number: int):
        return price(number)

    @app.get("/stream")
    def stream():
        return StreamingResponse(words())

    @app.get("/crash")
    async def crash():
        raise RuntimeError("crash")
"""
DJANGO = """
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import path
    from prices import price

    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="only for this test")

    def user(request, number):
        return HttpResponse(str(price(number)))

    urlpatterns = [path("users/<int:number>", user)]
    app = get_wsgi_application()
"""


@dataclass(frozen=True)
class Project:
    """A folder of source, a folder with the recorder as it is mounted, and one for spools."""

    code: Path
    recorder: Path
    spool: Path

    def peek(self, folder: Path) -> list[Span]:
        """What has been recorded so far, from a copy: nothing is collected by looking."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.spool, folder / "spool")
        reader = Reader(folder / "spool", folder / "traces.db")
        try:
            return reader.spans()
        finally:
            reader.store.close()

    def environment(self) -> dict[str, str]:
        """As `up --trace` sets it."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return {
            **clean,
            "PYTHONPATH": str(self.recorder),
            "DEVBOX_TRACE_SPOOL": str(self.spool),
            "DEVBOX_TRACE_SERVICE": "app",
            "DEVBOX_TRACE_CODE": str(self.code),
        }


def project(folder: Path) -> Project:
    """The three applications, not started."""
    made = Project(folder / "code", folder / "recorder", folder / "spool")
    made.code.mkdir(parents=True)
    for name, text in {
        "prices": PRICES,
        "with_flask": FLASK,
        "with_fastapi": FASTAPI,
        "with_django": DJANGO,
    }.items():
        (made.code / f"{name}.py").write_text(textwrap.dedent(text))
    packed = injection("~/spool").script.files["recorder.tgz"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(made.recorder)
    return made


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body of an answer."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()

    def signal(self, number: signal.Signals) -> None:
        """To the server and everything it started."""
        os.killpg(self.process.pid, number)


@contextmanager
def serving(made: Project, command: Sequence[str]) -> Iterator[Served]:
    """Run a server command, in which {port} stands for a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [one.format(port=port) for one in command]
    log = (made.code.parent / "log").open("ab")
    with log, subprocess.Popen(
        [str(BIN / argv[0]), *argv[1:]],
        cwd=made.code, env=made.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _listening(process, port, made.code.parent / "log")
            yield Served(f"http://127.0.0.1:{port}", process)
            process.terminate()
            process.wait(20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-3000:]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens: {log.read_text()[-3000:]}")
