"""Writing a Dockerfile for a project that has none, and the lines of devbox.yaml that go with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from devbox.errors import DevboxError
from devbox.image import recipe
from devbox.image.detect import Detected, Run, detect
from devbox.rendering import render

NAME = "Dockerfile.dev"
IGNORED = (".git", ".venv", "venv", "**/__pycache__", "**/*.pyc", ".env", "node_modules", ".idea")
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_RECIPES = (NAME, "Dockerfile", "docker/Dockerfile")


@dataclass(frozen=True, slots=True)
class Made:
    """What a project was given: the files, the `services` section of devbox.yaml, what was found in words,
    which services are to be started again after a save, and where containers see the code."""

    written: tuple[Path, ...]
    services: str
    said: str
    restart: tuple[str, ...] = ()
    container: str = "/app"


def scaffold(folder: Path) -> Made:
    """A Dockerfile where there is none, and services by what the code says.

    A compose file says both itself, also which image is built. A Dockerfile that is there is used as it is.
    """
    found = detect(folder)
    said = f"{found.kind}, Python {found.python}, {found.manager or 'no dependencies'}"
    composed = next((name for name in _COMPOSE if (folder / name).is_file()), "")
    if composed:
        return Made((), f"compose: {composed}\n", f"{said}; the services of {composed} are run")
    existing = next((name for name in _RECIPES if (folder / name).is_file()), "")
    if existing:
        own = recipe.read((folder / existing).read_text(encoding="utf-8", errors="replace"))
        services = _beside(found.services, own)
        said = f"{said}; {existing} is there and is used"
        return Made((), services_yaml(services), said, _restarted(services), own.folder or "/app")
    written = tuple(write(folder, found))
    return Made(written, services_yaml(found.services), said, _restarted(found.services))


def _beside(services: tuple[Run, ...], own: recipe.Recipe) -> tuple[Run, ...]:
    """The services where the image has a command: it is that of the app's first one, and may not reload."""
    if not own.starts:
        return services
    first = next((one for one in services if not one.image), Run("app"))
    main = replace(first, command="", port=own.port or first.port, health="", reloads=False)
    return (main, *(one for one in services if one is not first))


def _restarted(services: tuple[Run, ...]) -> tuple[str, ...]:
    return tuple(one.name for one in services if not (one.reloads or one.image))


def dockerfile(found: Detected) -> str:
    """The Dockerfile: cache mounts, dependencies before code, a user that is not root."""
    return render(f"project/{NAME}.j2", found=found, command=_main(found))


def write(folder: Path, found: Detected) -> list[Path]:
    """Write Dockerfile.dev, and .dockerignore where there is none; a file that exists is the user's."""
    path = folder / NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(dockerfile(found))
    except FileExistsError as error:
        raise DevboxError(
            f"{NAME} exists already and is left as it is", where=str(folder), next_steps=["devbox build"]
        ) from error
    written = [path]
    ignore = folder / ".dockerignore"
    if not ignore.exists():
        ignore.write_text("\n".join(IGNORED) + "\n", encoding="utf-8")
        written.append(ignore)
    return written


def services_yaml(services: tuple[Run, ...]) -> str:
    """The `services` section for what was found; "" when nothing was."""
    return "services:\n" + "".join(_service(one) for one in services) if services else ""


def _service(one: Run) -> str:
    lines = [f"  {one.name}:"]
    lines += [f"    image: {one.image}"] if one.image else []
    lines += [f"    command: {one.command}"] if one.command else []
    lines += [f'    ports: ["{one.port}:{one.port}"]'] if one.port else []
    lines += [f"    depends_on: [{', '.join(one.after)}]"] if one.after else []
    lines += [f"    health: {{command: {one.health}}}"] if one.health else []
    lines += ["    mount: false"] if one.image else []
    lines[0] += " {}" if len(lines) == 1 else ""
    return "\n".join(lines) + "\n"


def _main(found: Detected) -> list[str]:
    own = [one for one in found.services if not one.image]
    return own[0].command.split() if own else ["python", "-i"]
