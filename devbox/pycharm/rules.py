"""Deciding from devbox.yaml what the IDE should run. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath

from devbox.config.model import Service
from devbox.pycharm.model import App

_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?")
_RUNNABLE = frozenset({"celery", "daphne", "flask", "gunicorn", "hypercorn", "pytest", "uvicorn"})
_SECRET = re.compile(r"SECRET|PASSW|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
_SHELL = frozenset({"&&", "||", ";", "|", ">", "<", "&"})
_FLASK_APP = ("--app", "-A")
_DJANGO_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE['\"],\s*['\"]([\w.]+)")


def public(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that may stand in a file that people commit."""
    return {name: value for name, value in environment.items() if not _SECRET.search(name)}


def hidden(environment: Mapping[str, str]) -> list[str]:
    """The variables that may not: their names look like secrets."""
    return [name for name in environment if _SECRET.search(name)]


def app_of(service: Service, sources: Mapping[str, str], network: str = "") -> App | None:
    """How the IDE starts this service; `None` when its command is not one Python process.

    `sources` are texts of the project's files by their path, which tell FastAPI from other ASGI apps.
    """
    words = _words(service.command)
    if not words:
        return None
    found = _from_python(words[1:]) if _PYTHON.fullmatch(words[0]) else _from_program(words)
    if found is None:
        return None
    named = replace(
        found,
        name=service.name,
        ports=published(service.ports),
        environment=public(service.environment),
        env_file=service.env_file[0] if len(service.env_file) == 1 else "",
        user=service.user,
        network=network,
    )
    return _with_framework(named, sources)


def has_neighbours(service: Service, services: Iterable[Service]) -> bool:
    """Whether this service means others by their names: those it waits for, databases and the like."""
    return bool(service.depends_on or service.networks) or any(one.image for one in services)


def _words(command: str | tuple[str, ...]) -> list[str]:
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError:
        return []
    if words[:1] == ["exec"]:
        words = words[1:]
    return [] if _SHELL.intersection(words) else words


def _from_python(arguments: Sequence[str]) -> App | None:
    plain = [word for word in arguments if word not in ("-u", "-B", "-O")]
    if len(plain) >= 2 and plain[0] == "-m":
        return App("", "module", plain[1], shlex.join(plain[2:]))
    if plain and plain[0].endswith(".py"):
        return App("", "script", plain[0], shlex.join(plain[1:]))
    return None


def _from_program(words: Sequence[str]) -> App | None:
    name = words[0].rpartition("/")[2]
    if name == "fastapi" and len(words) >= 3 and words[1] in ("dev", "run"):
        return App("", "fastapi", words[2], shlex.join(words[3:]), application="app")
    return App("", "module", name, shlex.join(words[1:])) if name in _RUNNABLE else None


def _with_framework(app: App, sources: Mapping[str, str]) -> App:
    words = shlex.split(app.arguments)
    if app.kind == "script" and app.target.endswith("manage.py") and words[:1] == ["runserver"]:
        return _django(app, words[1:], sources)
    if app.kind == "module" and app.target == "flask" and "run" in words:
        return _flask(app, words)
    if app.kind == "module" and app.target == "uvicorn" and words:
        return _fastapi(app, words, sources)
    return app


def _django(app: App, words: list[str], sources: Mapping[str, str]) -> App:
    address = next((word for word in words if not word.startswith("-")), "8000")
    host, _, port = address.rpartition(":")
    options = shlex.join(word for word in words if word != address)
    module = app.environment.get("DJANGO_SETTINGS_MODULE") or django_settings(sources.get(app.target, ""))
    environment = {**app.environment, **({"DJANGO_SETTINGS_MODULE": module} if module else {})}
    named = replace(app, kind="django", arguments=options, environment=environment)
    settings = _settings_file(app.target, module, sources) if module else ""
    return replace(named, host=host or "0.0.0.0", port=port, settings=settings)


def django_settings(manage: str) -> str:
    """The settings module that a manage.py names, "" when it names none."""
    found = _DJANGO_SETTINGS.search(manage)
    return found[1] if found else ""


def django_package(manage: str, module: str) -> str:
    """The file that a settings module is when it is a package, beside this manage.py."""
    return str(PurePosixPath(manage).parent / module.replace(".", "/") / "__init__.py")


def _settings_file(manage: str, module: str, sources: Mapping[str, str]) -> str:
    """Where a settings module is, below the folder of manage.py."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if django_package(manage, module) in sources else f"{path}.py"


def _flask(app: App, words: list[str]) -> App:
    environment = dict(app.environment)
    before, after = words[: words.index("run")], words[words.index("run") + 1 :]
    for option, value in pairwise(before):
        if option in _FLASK_APP:
            environment["FLASK_APP"] = value
    for word in before:
        if word.startswith("--app="):
            environment["FLASK_APP"] = word[6:]
    return replace(app, kind="flask", arguments=shlex.join(after), environment=environment)


def _fastapi(app: App, words: list[str], sources: Mapping[str, str]) -> App:
    spec = next((word for word in words if ":" in word and not word.startswith("-")), "")
    module, _, name = spec.partition(":")
    path = module.replace(".", "/")
    file = next((one for one in (f"{path}.py", f"{path}/__init__.py") if one in sources), "")
    if not file or not re.search(r"^\s*(?:from|import)\s+fastapi\b", sources[file], re.MULTILINE):
        return app
    rest = shlex.join(word for word in words if word != spec)
    return replace(app, kind="fastapi", target=file, application=name, arguments=rest)


def published(ports: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """`[ADDRESS:][LOCAL:]CONTAINER` as (on the host, in the container)."""
    pairs = []
    for port in ports:
        parts = port.removesuffix("/tcp").rpartition("]")[2].lstrip(":").split(":")
        pairs.append((parts[-2] if len(parts) > 1 and parts[-2].isdigit() else parts[-1], parts[-1]))
    return tuple(pairs)
