"""What the IDE runs, decided from devbox.yaml."""

from __future__ import annotations

import pytest

from devbox.config.model import Service
from devbox.pycharm.rules import app_of, has_neighbours, hidden, public, published

SOURCES = {
    "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
    "plain/asgi.py": "async def app(scope, receive, send): ...\n",
    "manage.py": "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n",
}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -m app --port 8000", ("module", "app", "--port 8000")),
        (("python3.12", "-u", "job.py", "two words"), ("script", "job.py", "'two words'")),
        ("exec python -m app", ("module", "app", "")),
        ("gunicorn -w 2 app:app", ("module", "gunicorn", "-w 2 app:app")),
        ("/venv/bin/uvicorn plain.asgi:app --reload", ("module", "uvicorn", "plain.asgi:app --reload")),
        ("uvicorn api.main:app --reload", ("fastapi", "api/main.py", "--reload")),
        ("fastapi dev api/main.py --port 1", ("fastapi", "api/main.py", "--port 1")),
        ("python manage.py runserver 0.0.0.0:8000 --noreload", ("django", "manage.py", "--noreload")),
        ("python manage.py migrate", ("script", "manage.py", "migrate")),
        ("flask --app front run --host=0.0.0.0", ("flask", "flask", "--host=0.0.0.0")),
    ],
)
def test_commands_become_configurations(command: object, expected: tuple[str, str, str]) -> None:
    app = app_of(Service("s", command), SOURCES)  # type: ignore[arg-type]
    assert app is not None
    assert (app.kind, app.target, app.arguments) == expected


@pytest.mark.parametrize(
    "command", ["", "./start.sh", "python -m a && python -m b", "python", "sh -c 'python x.py'", "python 'x"]
)
def test_what_is_not_one_python_process_is_not_guessed(command: str) -> None:
    assert app_of(Service("s", command), SOURCES) is None


def test_django_settings_and_address_are_found() -> None:
    app = app_of(Service("s", "python manage.py runserver 0.0.0.0:8000"), SOURCES)
    assert app is not None
    assert (app.host, app.port) == ("0.0.0.0", "8000")
    assert app.environment == {"DJANGO_SETTINGS_MODULE": "site.settings"}


@pytest.mark.parametrize(
    ("manage", "module", "more", "settings"),
    [
        ("manage.py", "site.settings", {}, "site/settings.py"),
        ("back/manage.py", "conf.dev", {}, "conf/dev.py"),
        ("back/manage.py", "conf", {"back/conf/__init__.py": "DEBUG = True"}, "conf/__init__.py"),
        ("manage.py", "", {}, ""),
    ],
)
def test_the_settings_file_of_django_is_found(
    manage: str, module: str, more: dict[str, str], settings: str
) -> None:
    sources = {manage: f"setdefault('DJANGO_SETTINGS_MODULE', '{module}')" if module else "", **more}
    app = app_of(Service("s", f"python {manage} runserver"), sources)
    assert app is not None
    assert (app.kind, app.settings) == ("django", settings)


def test_the_services_own_settings_module_comes_before_that_of_manage_py() -> None:
    service = Service("s", "python manage.py runserver", environment={"DJANGO_SETTINGS_MODULE": "site.dev"})
    app = app_of(service, SOURCES)
    assert app is not None
    assert (app.settings, app.environment["DJANGO_SETTINGS_MODULE"]) == ("site/dev.py", "site.dev")


def test_what_the_container_of_a_service_is_given() -> None:
    one = app_of(Service("s", "python -m app", env_file=(".env",), user="7"), {}, "net")
    several = app_of(Service("s", "python -m app", env_file=(".env", "more.env")), {})
    assert one is not None
    assert several is not None
    assert (one.env_file, one.user, one.network) == (".env", "7", "net")
    assert (several.env_file, several.user, several.network) == ("", "", "")


def test_a_service_has_neighbours_where_it_waits_for_one_or_a_database_stands_beside_it() -> None:
    alone, waits = Service("web", "python -m web"), Service("job", "python -m job", depends_on=("web",))
    database = Service("db", image="postgres:16")
    assert not has_neighbours(alone, [alone, waits])
    assert has_neighbours(waits, [alone, waits])
    assert has_neighbours(alone, [alone, database])


def test_flask_app_becomes_its_variable() -> None:
    for command in ("flask --app front.app run", "flask --app=front.app run", "flask -A front.app run"):
        app = app_of(Service("s", command), {})
        assert app is not None
        assert app.environment == {"FLASK_APP": "front.app"}


def test_secrets_stay_out() -> None:
    environment = {"MODE": "dev", "DB_PASSWORD": "x", "api_key": "y", "AWS_SECRET_ACCESS_KEY": "z"}
    assert public(environment) == {"MODE": "dev"}
    assert hidden(environment) == ["DB_PASSWORD", "api_key", "AWS_SECRET_ACCESS_KEY"]
    app = app_of(Service("s", "python -m app", environment=environment), {})
    assert app is not None
    assert app.environment == {"MODE": "dev"}


@pytest.mark.parametrize(
    ("port", "pair"),
    [
        ("8000", ("8000", "8000")),
        ("80:8000", ("80", "8000")),
        ("127.0.0.1:80:8000", ("80", "8000")),
        ("[::1]:80:8000/tcp", ("80", "8000")),
        ("127.0.0.1:8000", ("8000", "8000")),
    ],
)
def test_ports(port: str, pair: tuple[str, str]) -> None:
    assert published([port]) == (pair,)
