"""Files of environment variables: `NAME=value` lines, `#` comments, quotes around values. Pure text."""

from __future__ import annotations

from devbox.errors import ConfigError


def read(text: str, where: str) -> dict[str, str]:
    """The variables of one file; `where` names it in messages."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found.update(_line(line, f"{where}:{number}"))
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
