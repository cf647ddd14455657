"""The variables that a service's files of the project say."""

from __future__ import annotations

from pathlib import Path

from devbox.config import envfile
from devbox.config.model import Config, Service
from devbox.errors import ConfigError


def variables(config: Config, service: Service) -> dict[str, str]:
    """The variables of a service's files, the later file first to speak."""
    found: dict[str, str] = {}
    for name in service.env_file:
        path = Path(config.root) / name
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            where = f"{config.file}: services.{service.name}.env_file"
            raise ConfigError(f"cannot read {name}", where=where, why=error.strerror or "") from error
        found.update(envfile.read(text, str(path)))
    return found
