"""A project that is not ours, in a framework that is not ours, down the whole road."""

from __future__ import annotations

import json
import secrets
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

DOCKERFILE = """
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE}
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /venv && /venv/bin/pip install flask
RUN useradd --create-home app
USER app
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY . .
"""

APP = """
from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return "first words"
"""

CONFIG = """
name: {name}
host: {host}
build: {{dockerfile: Dockerfile.dev, args: {{PYTHON_IMAGE: "{python_image}"}}}}
sync: [{{local: ., remote: ~/devbox/{name}, container: /app}}]
services:
  web:
    command: flask --app app run --debug --host 0.0.0.0 --port 8000
    ports: ["8000"]
"""


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def _until(url: str, words: str) -> None:
    for _ in range(300):
        try:
            if words in _page(url):
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} never said {words!r}")


@pytest.fixture
def project(tmp_path: Path, terminal: Terminal) -> Path:
    folder = tmp_path / "blog"
    folder.mkdir()
    (folder / "Dockerfile.dev").write_text(DOCKERFILE)
    (folder / "app.py").write_text(textwrap.dedent(APP))
    (folder / ".gitignore").write_text("__pycache__/\nsecret.txt\n")
    (folder / "secret.txt").write_text("stays here")
    name = f"blog-{secrets.token_hex(3)}"
    config = CONFIG.format(name=name, host=terminal.host, python_image=terminal.python_image)
    (folder / "devbox.yaml").write_text(textwrap.dedent(config))
    return folder


def test_a_flask_project_goes_down_the_whole_road(project: Path, terminal: Terminal) -> None:
    terminal.folder = project
    terminal.devbox("init", terminal.host, "--yes")
    try:
        terminal.devbox("up")
        (web,) = [
            row for row in json.loads(terminal.devbox("ps", "--json").stdout) if row["service"] == "web"
        ]
        url = web["addresses"][0]
        _until(url, "first words")

        (project / "app.py").write_text((project / "app.py").read_text().replace("first", "second"))
        terminal.devbox("sync")
        _until(url, "second words")

        listed = terminal.devbox("exec", "web", "ls", "/app").stdout.split()
        assert "app.py" in listed
        assert "secret.txt" not in listed
        assert (
            "3.1"
            in terminal.devbox("run", "--", "python", "-c", "import flask, sys; print(sys.version)").stdout
        )
        assert "GET /" in terminal.devbox("logs", "web").stdout
        terminal.devbox("pycharm")
        assert (project / ".idea" / "deployment.xml").is_file()
        terminal.devbox("doctor")
    finally:
        terminal.devbox("down")
    assert json.loads(terminal.devbox("ps", "--json").stdout) == []
