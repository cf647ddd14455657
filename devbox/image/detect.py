"""What kind of Python project a folder holds: enough to write a Dockerfile and a service for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

_NEWEST, _OLDEST = 12, 8
_LOCKS = (("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"))
_SKIPPED = frozenset(("tests", "test", "docs", "node_modules", "venv", "build", "dist", "migrations"))
_LOOK_AT = 500
_MADE = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?(FastAPI|Flask|Celery|Starlette)\(", re.MULTILINE)
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """A service that the project seems to have. `image` "" is the app's own, `health` a check's command;
    one that does not reload by itself is to be started again after a save."""

    name: str
    command: str = ""
    port: int = 0
    image: str = ""
    after: tuple[str, ...] = ()
    health: str = ""
    reloads: bool = True


@dataclass(frozen=True, slots=True)
class Detected:
    """`python` is "3.12"; `manager` is uv, poetry, pdm, requirements, project (pyproject.toml) or "".

    `missing` are packages that a service's command needs and nothing of the project names; `source` is the
    folder that imports begin in, "" for the project's own.
    """

    kind: str
    python: str
    manager: str
    requirements: tuple[str, ...] = ()
    services: tuple[Run, ...] = field(default_factory=tuple)
    missing: tuple[str, ...] = ()
    source: str = ""


def detect(folder: Path) -> Detected:
    """Look at the files that say it; code is read, never run."""
    pyproject = _text(folder / "pyproject.toml")
    requirements = tuple(
        name for name in ("requirements.txt", "requirements-dev.txt") if (folder / name).is_file()
    )
    lock = next((manager for name, manager in _LOCKS if (folder / name).is_file()), "")
    plain = "requirements" if requirements else "project" if "[project]" in pyproject else ""
    depends = (pyproject + "".join(_text(folder / name) for name in requirements)).lower()
    kind, services = _services(folder, depends)
    missing = _missing(services, depends)
    python, manager = _python(folder, pyproject), lock or plain
    return Detected(kind, python, manager, requirements, services, missing, _source(folder))


def _source(folder: Path) -> str:
    """The src layout: packages lie in a folder that is none itself."""
    inner = folder / "src"
    return inner.name if inner.is_dir() and not (inner / "__init__.py").exists() else ""


def _missing(services: tuple[Run, ...], depends: str) -> tuple[str, ...]:
    """The server of a FastAPI project often stands in nobody's list: it is started by hand elsewhere."""
    starts = any(one.command.startswith("uvicorn ") for one in services)
    brought = re.search(r"uvicorn|fastapi\[(?:standard|all)", depends)
    return ("uvicorn",) if starts and not brought else ()


def _python(folder: Path, pyproject: str) -> str:
    """The pinned version, else the newest that `requires-python` admits and images exist for."""
    pinned = re.match(r"(?:cpython-?)?3\.(\d+)", _text(folder / ".python-version").strip())
    if pinned:
        return f"3.{pinned[1]}"
    wanted = re.search(r'(?:requires-python|^python)\s*=\s*"([^"]+)"', pyproject, re.MULTILINE)
    text = wanted[1] if wanted else ""
    low = [int(minor) for minor in re.findall(r"(?:>=|~=|==|\^|~)\s*3\.(\d+)", text)]
    high = [int(minor) - 1 for minor in re.findall(r"<\s*3\.(\d+)", text)]
    high += [int(minor) for minor in re.findall(r"(?:<=|==|~)\s*3\.(\d+)", text) if "~=" not in text]
    return f"3.{max(min([_NEWEST, *high]), max(low, default=_OLDEST))}"


def _services(folder: Path, depends: str) -> tuple[str, tuple[Run, ...]]:
    found = dict(_made(folder))
    celery = found.get("Celery", "")
    kind, web = _web(folder, depends, found)
    if celery and web and web.name == "app":
        web = None  # a script beside Celery's tasks is what somebody calls, not what runs all day
    services = [web] if web else []
    if celery:
        module = celery.rpartition(":")[0]
        services += [Run("worker", f"celery -A {module} worker --loglevel info", reloads=False)]
        kind = f"{kind} and celery" if web else "celery"
    if re.search(r"\bredis\b", depends):
        services = [replace(one, after=("redis",)) for one in services]
        services += [Run("redis", image="redis:7-alpine", health="redis-cli ping")]
    return kind, tuple(services)


def _web(folder: Path, depends: str, found: dict[str, str]) -> tuple[str, Run | None]:
    if (folder / "manage.py").is_file() and "django" in depends:
        return "django", Run("web", "python manage.py runserver 0.0.0.0:8000", 8000)
    for name in ("FastAPI", "Starlette"):
        if place := found.get(name):
            command = f"uvicorn {place} --host 0.0.0.0 --port 8000 --reload"
            return name.lower(), Run("web", command, 8000)
    if place := found.get("Flask"):
        return "flask", Run("web", f"flask --app {place} run --host 0.0.0.0 --port 5000 --debug", 5000)
    for name in ("main.py", "app.py", "run.py"):
        if (folder / name).is_file():
            return "script", Run("app", f"python {name}")
    return "library", None


def _made(folder: Path) -> Iterator[tuple[str, str]]:
    """Which application objects are made where, as `module:name`; the last one found is the outermost."""
    for path in reversed(list(islice(_sources(folder), _LOOK_AT))):
        text = _text(path)
        for made in _MADE.finditer(text):
            yield made[2], f"{_module(folder, path)}:{made[1]}"
        if "Flask(" in text and (factory := _FACTORY.search(text)):
            yield "Flask", f"{_module(folder, path)}:{factory[1]}"


def _sources(folder: Path) -> Iterator[Path]:
    """Python files, those near the top first."""
    level: Iterable[Path] = [folder]
    while level:
        below: list[Path] = []
        for current in level:
            items = sorted(current.iterdir())
            yield from (item for item in items if item.suffix == ".py" and item.is_file())
            below += [
                item
                for item in items
                if item.is_dir() and not item.name.startswith((".", "_")) and item.name not in _SKIPPED
            ]
        level = below if len(below) < _LOOK_AT else []


def _module(folder: Path, path: Path) -> str:
    root = folder / _source(folder)
    parts = path.relative_to(root if path.is_relative_to(root) else folder).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or path.stem


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
