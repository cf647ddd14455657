"""Registry credentials as the Docker CLI keeps them (config.json and helpers), by the docker package."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any


def _config_file() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def registry_config() -> dict[str, Any]:
    """All credentials at hand, as the header X-Registry-Config takes them; {} when nobody logged in."""
    if not _config_file().is_file():
        return {}
    # Helpers say Username, config.json's own entries come as username: one spelling for whoever reads them.
    return {
        registry: {key.lower(): value for key, value in entry.items() if value}
        for registry, entry in _stored().items()
    }


def _stored() -> dict[str, Any]:
    from docker.auth import load_config  # late: the import takes longer than most commands

    found: dict[str, Any] = load_config(str(_config_file())).get_all_credentials()  # type: ignore[no-untyped-call]
    return found


def header_for(image: str) -> str:
    """The header X-Registry-Auth for pulling `image`; "" when nobody logged in to its registry."""
    if not _config_file().is_file():
        return ""
    from docker.auth import load_config, resolve_repository_name

    registry, _ = resolve_repository_name(image)
    found = load_config(str(_config_file())).resolve_authconfig(registry)
    return base64.urlsafe_b64encode(json.dumps(found).encode()).decode() if found else ""
