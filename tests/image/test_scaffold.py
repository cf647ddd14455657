"""A Dockerfile for projects that have none: detection, and what is written builds and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devbox.config.load import load, parse
from devbox.errors import DevboxError
from devbox.host import project as devbox_yaml
from devbox.image.detect import Run, detect
from devbox.image.scaffold import dockerfile, scaffold, services_yaml, write
from tests.image.conftest import PYTHON_IMAGE, Folder


def plant(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_django(tmp_path: Path) -> None:
    found = detect(plant(tmp_path, manage_py="", requirements_txt="Django==5.0\n"))
    assert (found.kind, found.manager) == ("django", "requirements")
    assert found.services == (Run("web", "python manage.py runserver 0.0.0.0:8000", 8000),)


def test_fastapi_where_the_app_is_made(tmp_path: Path) -> None:
    found = detect(
        plant(tmp_path, api__main_py="app: FastAPI = FastAPI(title='x')\n", requirements_txt="fastapi")
    )
    assert found.missing == ("uvicorn",)
    assert found.services[0].command == "uvicorn api.main:app --host 0.0.0.0 --port 8000 --reload"


def test_the_outermost_application_wins(tmp_path: Path) -> None:
    found = detect(plant(tmp_path, main_py="app = FastAPI()\n", deep__other_py="sub = FastAPI()\n"))
    assert "main:app" in found.services[0].command


def test_packages_in_src_are_imported_without_it(tmp_path: Path) -> None:
    found = detect(plant(tmp_path, src__shop__main_py="app = FastAPI()\n"))
    assert found.services[0].command.startswith("uvicorn shop.main:app ")
    assert "ENV PYTHONPATH=/app/src\n" in dockerfile(found)
    (tmp_path / "src/__init__.py").touch()
    found = detect(tmp_path)
    assert found.services[0].command.startswith("uvicorn src.shop.main:app ")
    assert "PYTHONPATH" not in dockerfile(found)


def test_flask_object_and_factory(tmp_path: Path) -> None:
    one = detect(plant(tmp_path / "one", wsgi_py="application = flask.Flask(__name__)\n"))
    assert "--app wsgi:application " in one.services[0].command
    text = "def create_app():\n    app = Flask(__name__)\n    return app\n"
    two = detect(plant(tmp_path / "two", shop__made_py=text))
    assert "--app shop.made:create_app " in two.services[0].command


def test_celery_and_redis_beside_a_web_app(tmp_path: Path) -> None:
    found = detect(
        plant(
            tmp_path,
            main_py="app = FastAPI()\n",
            tasks_py="queue = Celery('x')\n",
            requirements_txt="redis\ncelery",
        )
    )
    assert found.kind == "fastapi and celery"
    assert [one.name for one in found.services] == ["web", "worker", "redis"]
    assert found.services[1].command == "celery -A tasks worker --loglevel info"
    config = parse("name: x\n" + services_yaml(found.services))
    assert [service.name for service in config.services] == ["web", "worker", "redis"]
    assert config.services[0].ports == ("8000:8000",)


def test_script_and_library(tmp_path: Path) -> None:
    assert detect(plant(tmp_path / "a", main_py="print(1)")).services == (Run("app", "python main.py"),)
    nothing = detect(plant(tmp_path / "b", lib__x_py=""))
    assert (nothing.kind, nothing.services, nothing.manager) == ("library", (), "")


@pytest.mark.parametrize(
    ("requires", "python"),
    [
        ('requires-python = ">=3.10"', "3.12"),
        ('requires-python = ">=3.13"', "3.13"),
        ('requires-python = ">=3.9,<3.11"', "3.10"),
        ('requires-python = "==3.11.*"', "3.11"),
        ('python = "^3.10"', "3.12"),
        ("", "3.12"),
    ],
)
def test_python_version_out_of_pyproject(requires: str, python: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n{requires}\n")
    assert detect(tmp_path).python == python


def test_a_pinned_version_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('requires-python = ">=3.9"\n')
    (tmp_path / ".python-version").write_text("3.10.4\n")
    assert detect(tmp_path).python == "3.10"


@pytest.mark.parametrize(
    ("lock", "word"), [("uv", "uv sync"), ("poetry", "poetry install"), ("pdm", "pdm sync")]
)
def test_lock_files_name_the_manager(lock: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / f"{lock}.lock").write_text("")
    found = detect(tmp_path)
    assert found.manager == lock
    assert word in dockerfile(found)


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile.dev").write_text("mine")
    with pytest.raises(DevboxError, match="left as it is"):
        write(tmp_path, detect(tmp_path))
    assert (tmp_path / "Dockerfile.dev").read_text() == "mine"


OWN = """FROM python:3.12-slim AS base
WORKDIR /base
FROM base
WORKDIR "/srv/shop"
EXPOSE 8000/tcp
ENTRYPOINT ["gunicorn"]
cmd ["shop.wsgi"]
"""


def test_a_dockerfile_that_is_there_starts_the_app_itself(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(OWN)
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    made = scaffold(tmp_path)
    path = devbox_yaml.write(tmp_path, "dev@box", made.services, made.restart, made.container)
    assert path is not None
    assert path.read_text().endswith("]\n")
    config = load(path)
    (web,) = config.services
    assert (web.name, web.command, web.ports) == ("web", (), ("8000:8000",))
    assert config.sync[0].container == "/srv/shop"
    assert [hook.restart for hook in config.sync[0].hooks] == [("web",)]
    assert config.build.dockerfile == "Dockerfile"


def test_a_dockerfile_without_a_command_is_told_the_one_that_was_found(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\nWORKDIR $HOME\n")
    (tmp_path / "main.py").write_text("print(1)\n")
    made = scaffold(tmp_path)
    assert "command: python" in made.services
    assert made.container == "/app"


def test_an_app_of_unknown_kind_runs_as_its_dockerfile_says(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\nCMD true\n")
    made = scaffold(tmp_path)
    assert [one.name for one in parse("name: x\n" + made.services).services] == ["app"]


def test_a_compose_file_says_what_is_built_and_run(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {web: {build: {context: ., dockerfile: Mine}}}\n")
    made = scaffold(tmp_path)
    assert (made.written, made.services) == ((), "compose: docker-compose.yml\n")
    path = devbox_yaml.write(tmp_path, "dev@box", made.services)
    assert path is not None
    config = load(path)
    assert config.build.dockerfile == "Mine"
    assert [one.name for one in config.services] == ["web"]


def test_a_worker_begins_anew_after_a_save(tmp_path: Path) -> None:
    plant(tmp_path, main_py="app = FastAPI()\n", tasks_py="queue = Celery('x')\n")
    made = scaffold(tmp_path)
    path = devbox_yaml.write(tmp_path, "dev@box", made.services, made.restart)
    assert path is not None
    (mapping,) = load(path).sync
    assert [(hook.paths, hook.restart) for hook in mapping.hooks] == [(("*.py",), ("worker",))]


@pytest.mark.host
def test_what_is_written_builds_and_runs_as_nobody_special(project: Folder) -> None:
    (project.path / "Dockerfile.dev").unlink()
    project.write("requirements.txt", "flask\n")
    project.write("web.py", "from flask import Flask\n\napp = Flask(__name__)\n")
    said = project.run("build", "--new-dockerfile")
    assert said.code == 0, said.err
    assert "found: flask" in said.err
    assert 'ports: ["5000:5000"]' in said.err
    done = project.run("build", "--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}")
    assert done.code == 0, done.err
    words = ("docker", "run", "--rm", "imaged-dev", "sh", "-c", "id -un; flask --version")
    assert project.host.shell(*words).startswith("app\nPython 3.")


def test_a_server_that_nobody_lists_is_installed_all_the_same(tmp_path: Path) -> None:
    made = "app = FastAPI()\n"
    bare = detect(plant(tmp_path / "bare", main_py=made, requirements_txt="fastapi\n"))
    assert "pip install uvicorn\n" in dockerfile(bare)
    full = detect(plant(tmp_path / "full", main_py=made, requirements_txt="fastapi[standard]\n"))
    assert "uvicorn" not in dockerfile(full).partition("CMD")[0]


def test_a_broker_is_waited_for_and_left_to_its_own_user(tmp_path: Path) -> None:
    found = detect(
        plant(tmp_path, tasks_py="q = Celery('x')\n", main_py="", requirements_txt="celery[redis]")
    )
    worker, redis = parse("name: x\n" + services_yaml(found.services)).services
    assert (worker.name, worker.depends_on) == ("worker", ("redis",))
    assert (redis.mount, redis.health is not None) == (False, True)
