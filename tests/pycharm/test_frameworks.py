"""Each kind of run configuration, started in a container as PyCharm starts it, from the files alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devbox.pycharm.xml import Node
from tests.pycharm import eye
from tests.pycharm.conftest import DOCKERFILE, YAML, Stage
from tests.pycharm.eye import DockerServer, Settings, value
from tests.pycharm.ways import fetch, tunnel

pytestmark = pytest.mark.host

PACKAGES = "RUN pip install --no-cache-dir django fastapi flask pytest uvicorn\n"
SERVICES = """\
services:
  django: {command: python back/manage.py runserver 0.0.0.0:8000 --noreload, ports: ["18766:8000"]}
  fastapi: {command: uvicorn api.main:app --host 0.0.0.0 --port 8000, ports: ["18767:8000"]}
  flask: {command: flask --app front.app run --host 0.0.0.0 --port 8000, ports: ["18768:8000"]}
"""
FILES = {
    "back/manage.py": """\
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conf.dev")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "back/conf/__init__.py": "",
    "back/conf/dev.py": "SECRET_KEY = 'x'\nDEBUG = True\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'conf.urls'\n",
    "back/conf/urls.py": """\
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("django"))]
""",
    "api/__init__.py": "",
    "api/main.py": """\
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def home(): return "fastapi"
""",
    "front/__init__.py": "",
    "front/app.py": """\
from flask import Flask
app = Flask(__name__)
@app.get("/")
def home(): return "flask"
""",
    "tests/test_one.py": "import os\ndef test_one(): assert os.access(os.environ['HOME'], os.W_OK)\n",
}
HELLO = {"django": "django", "fastapi": '"fastapi"', "flask": "flask"}


@pytest.fixture(scope="module")
def frameworks(stage: Stage) -> Iterator[Stage]:
    """A project with one service per framework, built, synced, and written for PyCharm."""
    project = stage.settings.project
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "Dockerfile.dev").write_text(DOCKERFILE + PACKAGES)
    (project / "devbox.yaml").write_text(YAML.partition("services:")[0] + SERVICES)
    stage.devbox("build")
    stage.devbox("sync")
    stage.devbox("pycharm", "--install")
    yield stage
    (project / "Dockerfile.dev").write_text(DOCKERFILE)
    (project / "devbox.yaml").write_text(YAML)
    stage.devbox("build")
    stage.devbox("pycharm", "--install")


@pytest.fixture(scope="module")
def way(frameworks: Stage) -> str:
    """The printed tunnel to all their ports."""
    return str(json.loads(frameworks.devbox("pycharm", "--json"))["reach"])


def there(settings: Settings, configuration: Node, local: str) -> str:
    """Where the interpreter sees a file of the project, by the configuration's path mappings."""
    mapping = next(node for node in configuration.walk() if node.tag == "mapping")
    return local.replace(settings.expand(mapping.get("local-root")), mapping.get("remote-root") or "", 1)


def django(settings: Settings, configuration: Node) -> list[str]:
    """The server of the project that the module's facet describes."""
    module = settings.root(settings.project / ".idea/room.iml")
    facet = next(node for node in module.walk() if node.tag == "facet")
    folder = settings.option(facet, "rootFolder").replace("$MODULE_DIR$", str(settings.project))
    manage = settings.option(facet, "manageScript").replace("$MODULE_DIR$", str(settings.project))
    file = f"{folder}/{settings.option(facet, 'settingsModule')}"
    assert file == str(settings.project / "back/conf/dev.py")
    address = f"{settings.option(configuration, 'host')}:{settings.option(configuration, 'port')}"
    options = shlex.split(settings.option(configuration, "additionalOptions"))
    return [there(settings, configuration, manage), "runserver", *options, address]


def fastapi(settings: Settings, configuration: Node) -> list[str]:
    """uvicorn, with the file as a module below the working directory."""
    below = settings.option(configuration, "file").removeprefix(f"{settings.project}/").removesuffix(".py")
    name = f"{below.replace('/', '.')}:{settings.option(configuration, 'appName')}"
    return ["-m", "uvicorn", name, *shlex.split(settings.option(configuration, "additionalOptions"))]


def flask(settings: Settings, configuration: Node) -> list[str]:
    """flask, with the application in its variable."""
    return ["-m", "flask", "run", *shlex.split(settings.option(configuration, "additionalOptions"))]


def words(settings: Settings, configuration: Node, *more: str) -> list[str]:
    """`docker run` with everything that the configuration and its interpreter say."""
    jdk = settings.sdk(settings.option(configuration, "SDK_NAME"))
    docker = DockerServer.named(settings, settings.option(jdk, "dockerServerName")).words
    folder = there(settings, configuration, settings.option(configuration, "WORKING_DIRECTORY"))
    options = [*more, *eye.container(settings, configuration), "-w", folder]
    return [*docker, "run", *options, settings.option(jdk, "tagToPull"), value(jdk, "homePath")]


@contextmanager
def started(stage: Stage, configuration: Node, arguments: list[str]) -> Iterator[None]:
    """The container that PyCharm makes of a run configuration, while it runs."""
    container = eye.output([*words(stage.settings, configuration, "-d"), *arguments]).strip()
    try:
        yield
    finally:
        stage.host.sh(f"docker rm -f {container}")


START = {"django": django, "fastapi": fastapi, "flask": flask}


@pytest.mark.parametrize("name", START)
def test_a_server_runs_as_its_configuration_says(frameworks: Stage, way: str, name: str) -> None:
    settings = frameworks.settings
    configuration = settings.configuration(f"devbox service {name}")
    binding = next(node for node in configuration.walk() if node.tag == "DockerPortBindingImpl")
    port = settings.option(binding, "hostPort")
    with started(frameworks, configuration, START[name](settings, configuration)), tunnel(frameworks, way):
        assert fetch(f"http://127.0.0.1:{port}/") == HELLO[name]


def test_the_tests_run_as_their_configuration_says(frameworks: Stage) -> None:
    settings = frameworks.settings
    configuration = settings.configuration("devbox pytest")
    target = settings.option(configuration, "_new_target").strip('"')
    run = [*words(settings, configuration), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert "1 passed" in eye.output([*run, there(settings, configuration, target)])
