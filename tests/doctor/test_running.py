"""The chain's end on a real host: synced code, running services, the app's own answer, PyCharm's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.doctor.test_real import chain
from tests.rehearsal.hosts import RehearsalHost, Wish
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

CONFIG = """
name: ailing
host: {host}
build: {{args: {{PYTHON_IMAGE: "{python}"}}}}
sync: [{{local: ., remote: ~/devbox/ailing, container: /app}}]
services:
  web: {{command: [python, -m, http.server, --bind, "{bind}", "8000"], ports: ["28431:8000"]}}
"""


@pytest.fixture
def host(rehearsal_factory: Callable[[Wish], RehearsalHost]) -> RehearsalHost:
    return rehearsal_factory(Wish("doctor-running"))


@pytest.fixture
def terminal(terminal: Terminal, host: RehearsalHost, tmp_path: Path) -> Iterator[Terminal]:
    folder = tmp_path / "ailing"
    folder.mkdir()
    terminal = replace(terminal, host=host.name, folder=folder)
    (folder / "Dockerfile.dev").write_text(
        "ARG PYTHON_IMAGE=python:3.12-slim\nFROM ${PYTHON_IMAGE}\nWORKDIR /app\n"
    )
    configure(terminal, "0.0.0.0")
    yield terminal
    terminal.devbox("down")


def configure(terminal: Terminal, bind: str) -> None:
    text = CONFIG.format(host=terminal.host, python=terminal.python_image, bind=bind)
    (terminal.folder / "devbox.yaml").write_text(text)


def test_from_init_to_the_apps_answer_and_broken_link_by_link(
    terminal: Terminal, host: RehearsalHost
) -> None:
    terminal.devbox("init", terminal.host, "--yes")
    found = chain(terminal)
    assert found["app image"]["verdict"] == "warning"
    for name in ("sync to ~/devbox/ailing", "services", "the app answers", "PyCharm's files"):
        assert found[name]["verdict"] == "skipped", found[name]

    terminal.devbox("up")
    terminal.devbox("pycharm")
    found = chain(terminal)
    for name in (
        "sync to ~/devbox/ailing",
        "app image",
        "service web",
        "web answers",
        "PyCharm's files",
        "one way of syncing",
    ):
        assert found[name]["verdict"] == "ok", found[name]
    assert "http://127.0.0.1:28431: HTTP 200" in found["web answers"]["evidence"]

    host.sh("docker stop -t 1 dev.ailing-web-1")
    found = chain(terminal, code=1)
    assert found["broken"] == "service web"
    assert "exit code" in found["service web"]["evidence"]
    assert found["service web"]["fix"].startswith("devbox up web")
    assert found["app"]["verdict"] == "not reached"

    configure(terminal, "127.0.0.1")
    terminal.devbox("up")
    found = chain(terminal, code=1)
    assert found["broken"] == "web answers"
    assert "listen on 0.0.0.0:8000 in its container" in found["web answers"]["fix"]

    configure(terminal, "0.0.0.0")
    terminal.devbox("up", "--no-build")
    config = terminal.folder / "devbox.yaml"
    config.write_text(config.read_text().replace("/app}", "/srv}") + "  job: {command: 'true'}\n")
    found = chain(terminal)
    assert found["service job"]["fix"] == "devbox up job"
    assert found["PyCharm's files"]["verdict"] == "warning"
    assert found["PyCharm's files"]["fix"] == "devbox pycharm"
