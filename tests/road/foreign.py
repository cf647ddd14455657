"""Projects that are not ours, as their own tutorials write them, and the road that they are sent down."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal

DJANGO = {
    "requirements.txt": "Django>=4.2,<6\n",
    "manage.py": """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "blog/__init__.py": "",
    "blog/settings.py": """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only for development"
DEBUG = True
ROOT_URLCONF = "blog.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
""",
    "blog/urls.py": """\
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path


def hello(request):
    return HttpResponse("first words")


def count(request):
    return HttpResponse(f"{User.objects.count()} users")


urlpatterns = [path("", hello), path("users", count)]
""",
}
FASTAPI = {
    "requirements.txt": "fastapi\n",
    "src/shop/__init__.py": "",
    "src/shop/names.py": 'TITLE = "Shop"\n',
    "src/shop/main.py": """\
from fastapi import FastAPI

from shop.names import TITLE

app = FastAPI(title=TITLE)


@app.get("/")
async def hello():
    return {"said": "first words"}
""",
}
CELERY = {
    "requirements.txt": "celery[redis]\npackaging\n",  # kombu imports it without saying so
    "tasks.py": """\
from celery import Celery

queue = Celery("tasks", broker="redis://redis:6379/0", backend="redis://redis:6379/1")


@queue.task
def add(a, b):
    return a + b
""",
    "ask.py": "from tasks import add\n\nprint('sum', add.delay(2, 40).get(timeout=30))\n",
}
SCRIPT = {
    "main.py": "import sys\n\nprint('counted to', sum(range(10)), 'on', sys.platform, flush=True)\n",
}


@dataclass
class Times:
    """Seconds of the road. `first`: from the first command typed to the first page; `save`: from a save to
    the new page."""

    typed: list[str] = field(default_factory=list)
    first: float = 0.0
    save: float = 0.0

    def line(self, name: str) -> str:
        """For people."""
        typed = "; ".join(self.typed)
        return f"{name}: {typed}: first page after {self.first:.1f} s, save to new page {self.save:.2f} s"


def plant(terminal: Terminal, kind: str, files: Mapping[str, str]) -> str:
    """Write a project into a folder of its own, which the terminal changes to; its name."""
    name = f"{kind}-{secrets.token_hex(3)}"
    terminal.folder = terminal.home.parent / name
    for path, text in files.items():
        file = terminal.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return name


def stand_in(host: RehearsalHost, image: str, name: str) -> None:
    """Let the host know its stand-in by the name that everybody uses, as if it had been pulled."""
    host.shell("docker", "tag", image, name)


def until(url: str, words: str, seconds: float = 60.0) -> None:
    """Ask until the page says so."""
    end = time.monotonic() + seconds
    last = ""
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                last = answer.read().decode()
        except OSError as error:
            last = str(error)
        if words in last:
            return
        time.sleep(0.02)
    raise AssertionError(f"{url} never said {words!r}; last: {last}")


def address(terminal: Terminal, service: str) -> str:
    """Where `devbox ps` says that the service answers."""
    rows = json.loads(terminal.devbox("ps", "--json").stdout)
    return str(next(row for row in rows if row["service"] == service)["addresses"][0])


@contextmanager
def watching(terminal: Terminal) -> Iterator[subprocess.Popen[str]]:
    """`devbox up --watch` in its window, until the end of the block."""
    running = terminal.start("up", "--watch")
    assert running.stderr is not None
    said = []
    for line in running.stderr:
        said.append(line)
        if line.startswith("watching"):
            break
    else:
        raise AssertionError("".join(said))
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=60)


def travel(terminal: Terminal, page: str, changed: str) -> Times:
    """The whole road of a web project: init, up --watch, the first page, a save, the new page."""
    times = Times(["devbox init HOST", "devbox up --watch"])
    begun = time.monotonic()
    terminal.devbox("init", terminal.host, "--yes")
    with watching(terminal):
        url = address(terminal, "web")
        until(url, page)
        times.first = time.monotonic() - begun
        file = terminal.folder / changed
        saved = time.monotonic()
        file.write_text(file.read_text().replace("first words", "second words"))
        until(url, page.replace("first words", "second words"))
        times.save = time.monotonic() - saved
    return times
