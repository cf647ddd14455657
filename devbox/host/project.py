"""devbox.yaml for a project that has none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from devbox.rendering import render

_DOCKERFILES = ("Dockerfile.dev", "Dockerfile", "docker/Dockerfile")


def write(
    folder: Path, host: str, services: str = "", restart: Sequence[str] = (), container: str = "/app"
) -> Path | None:
    """Write a short devbox.yaml; `None` when one is there, which is never overwritten.

    `services` is the section of that name as YAML; without it an example stands there as a comment.
    `restart` are those that do not see by themselves that their code was saved, `container` is where they
    have it.
    """
    path = folder / "devbox.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text(folder, host, services, restart, container))
    except FileExistsError:
        return None
    return path


def text(
    folder: Path, host: str, services: str = "", restart: Sequence[str] = (), container: str = "/app"
) -> str:
    """What it would say."""
    found = next((name for name in _DOCKERFILES if (folder / name).is_file()), "")
    values = {"project": project_name(folder), "host": host, "container": container, "services": services}
    said = render("project/devbox.yaml.j2", dockerfile=found or "Dockerfile", restart=restart, **values)
    return said.rstrip("\n") + "\n"


def project_name(folder: Path) -> str:
    """The folder's name as image and container names take it."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", folder.resolve().name.lower()).strip("-_.")
    return plain or "app"
