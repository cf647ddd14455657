"""devbox.yaml for a project that has none."""

from __future__ import annotations

import re
from pathlib import Path

from devbox.rendering import render

_DOCKERFILES = ("Dockerfile.dev", "Dockerfile", "docker/Dockerfile")


def write(folder: Path, host: str) -> Path | None:
    """Write a short devbox.yaml; `None` when one is there, which is never overwritten."""
    path = folder / "devbox.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text(folder, host))
    except FileExistsError:
        return None
    return path


def text(folder: Path, host: str) -> str:
    """What it would say."""
    found = next((name for name in _DOCKERFILES if (folder / name).is_file()), "")
    return render(
        "project/devbox.yaml.j2", project=project_name(folder), host=host, dockerfile=found or "Dockerfile"
    )


def project_name(folder: Path) -> str:
    """The folder's name as image and container names take it."""
    plain = re.sub(r"[^a-z0-9_.-]+", "-", folder.resolve().name.lower()).strip("-_.")
    return plain or "app"
