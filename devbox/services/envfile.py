"""Files of environment variables: `NAME=value` lines, `#` comments, quotes around values."""

from __future__ import annotations

from pathlib import Path

from devbox.config.model import Config, Service
from devbox.errors import ConfigError


def variables(config: Config, service: Service) -> dict[str, str]:
    """The variables of a service's files, the later file first to speak."""
    found: dict[str, str] = {}
    for name in service.env_file:
        path = Path(config.root) / name
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            where = f"{config.file}: services.{service.name}.env_file"
            raise ConfigError(f"cannot read {name}", where=where, why=error.strerror or "") from error
        for number, line in enumerate(lines, 1):
            found.update(_line(line, f"{path}:{number}"))
    return found


def _line(line: str, where: str) -> dict[str, str]:
    text = line.strip().removeprefix("export ").strip()
    if not text or text.startswith("#"):
        return {}
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError("wants NAME=value", where=where, why=line)
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return {name.strip(): value}
