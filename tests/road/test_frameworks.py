"""Other people's frameworks, from a bare folder: `devbox init`, `devbox up`, and the page is there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from devbox.config.load import load
from tests.rehearsal import hosts, images
from tests.road import foreign
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

PYTHON = "python:3.12-slim"


@pytest.fixture
def traveller(terminal: Terminal, rehearsal_host: hosts.RehearsalHost) -> Iterator[Terminal]:
    """A terminal whose host has what a registry would give it; what the project leaves there is removed."""
    foreign.stand_in(rehearsal_host, terminal.python_image, PYTHON)
    yield terminal
    terminal.devbox("down", "--volumes")
    rehearsal_host.sh(f"rm -rf /home/dev/devbox/*{terminal.folder.name}")


def test_django(traveller: Terminal) -> None:
    foreign.plant(traveller, "django", foreign.DJANGO)
    traveller.devbox("init", traveller.host, "--yes")
    traveller.devbox("up")
    # What any tutorial says next, in the running container: the database lands in the synced folder there.
    traveller.devbox("exec", "web", "python", "manage.py", "migrate")
    url = foreign.address(traveller, "web")
    foreign.until(url, "first words")
    foreign.until(f"{url}/users", "0 users")
    file = traveller.folder / "blog/urls.py"
    file.write_text(file.read_text().replace("first", "second"))
    traveller.devbox("sync")
    foreign.until(url, "second words")
    assert not (traveller.folder / "db.sqlite3").exists()
    assert "HTTP 200" in traveller.devbox("doctor").stderr


def test_fastapi_while_saving(traveller: Terminal) -> None:
    foreign.plant(traveller, "fastapi", foreign.FASTAPI)
    times = foreign.travel(traveller, '{"said":"first words"}', "src/shop/main.py")
    print(times.line("fastapi"))
    config = load(traveller.folder / "devbox.yaml")
    assert [one.name for one in config.services] == ["web"]
    assert "pip install uvicorn" in (traveller.folder / "Dockerfile.dev").read_text()


def test_celery_with_redis(traveller: Terminal, rehearsal_host: hosts.RehearsalHost) -> None:
    hosts.load(rehearsal_host, images.redis_recipe())
    foreign.stand_in(rehearsal_host, images.REDIS_IMAGE, "redis:7-alpine")
    foreign.plant(traveller, "celery", foreign.CELERY)
    traveller.devbox("init", traveller.host, "--yes")
    traveller.devbox("up")
    assert traveller.devbox("run", "--", "python", "ask.py").stdout == "sum 42\n"
    assert "succeeded" in traveller.devbox("logs", "worker").stdout
    # A worker does not look for saves itself: while watched, it is started again.
    with foreign.watching(traveller):
        file = traveller.folder / "tasks.py"
        file.write_text(file.read_text().replace("a + b", "a * b"))
        end = time.monotonic() + 120
        while (said := traveller.devbox("run", "--", "python", "ask.py").stdout) != "sum 80\n":
            assert time.monotonic() < end, said


def test_a_plain_script(traveller: Terminal) -> None:
    foreign.plant(traveller, "script", foreign.SCRIPT)
    traveller.devbox("init", traveller.host, "--yes")
    traveller.devbox("up")
    assert traveller.devbox("logs", "app").stdout == "counted to 45 on linux\n"
    word = secrets.token_hex(4)
    (traveller.folder / "main.py").write_text(f"print('{word}')\n")
    traveller.devbox("up", "--no-build")
    assert word in traveller.devbox("logs", "app").stdout


def test_a_dockerfile_of_ones_own_is_kept(traveller: Terminal) -> None:
    recipe = f"FROM {PYTHON}\nWORKDIR /srv\nCMD python3 main.py\n"
    foreign.plant(traveller, "own", {"Dockerfile": recipe, "main.py": "print('as the image says')\n"})
    said = traveller.devbox("init", traveller.host, "--yes").stderr
    assert "Dockerfile is there and is used" in said
    assert not (traveller.folder / "Dockerfile.dev").exists()
    (app,) = load(traveller.folder / "devbox.yaml").services
    assert app.command == ()
    traveller.devbox("up")
    assert traveller.devbox("logs", app.name).stdout == "as the image says\n"
