"""Finding and reading devbox.yaml. The only place that knows YAML."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import yaml

from devbox.config.model import Build, Composed, Config
from devbox.config.rules import DOCUMENT, with_defaults
from devbox.config.shapes import Complaint, Located
from devbox.errors import ConfigError

FILE_NAME = "devbox.yaml"
_DEEPEST = 32
_T = TypeVar("_T")


def find(start: Path) -> Path | None:
    """The devbox.yaml of `start` or of the nearest folder above it."""
    folders = [start.resolve(), *start.resolve().parents]
    return next((folder / FILE_NAME for folder in folders if (folder / FILE_NAME).is_file()), None)


def load(path: Path) -> Config:
    """Read a devbox.yaml; anything wrong with it is a `ConfigError` that names the file, line and key."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text", where=str(path), why=error.reason) from error
    except OSError as error:
        raise ConfigError("cannot be read", where=str(path), why=error.strerror or str(error)) from error
    config = replace(parse(text, where=str(path)), root=str(path.resolve().parent), file=str(path))
    return _with_compose(config) if config.compose else config


def _with_compose(config: Config) -> Config:
    """The services of the compose file, ours of the same name first; its build unless we say one."""
    from devbox.config import compose  # loaded where it is used: most projects have no such file

    path = Path(config.root) / config.compose
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the compose file cannot be read", where=str(path), why=str(error)) from error
    variables = {**_dotenv(Path(config.root) / ".env"), **os.environ}
    folder = str(PurePosixPath(config.compose).parent)
    found = _read(text, str(path), lambda node: compose.read(node, folder, variables))
    own = {service.name for service in config.services}
    services = (*config.services, *(one for one in found.services if one.name not in own))
    build = found.build if found.build and config.build == Build() else config.build
    return replace(config, services=services, build=build)


def _dotenv(path: Path) -> dict[str, str]:
    from devbox.config import envfile

    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return envfile.read(text, str(path))


def parse(text: str, where: str = FILE_NAME) -> Config:
    """The config that the text says, without a place on disk."""
    return _read(text, where, lambda node: with_defaults(DOCUMENT.read(node, "")))


def _read(text: str, where: str, take: Callable[[Located], _T]) -> _T:
    """What `take` makes of the document; its complaints as errors with file and line."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        return take(_locate(node) if node is not None else Located({}, 1))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError("is not valid YAML", where=f"{where}:{line}", why=error.problem or "") from error
    except yaml.YAMLError as error:
        raise ConfigError("is not valid YAML", where=where, why=str(error)) from error
    except Complaint as complaint:
        raise ConfigError(
            f"{complaint.key} {complaint.message}",
            where=f"{where}:{complaint.line}",
            next_steps=[f"edit {where}, line {complaint.line}", "devbox config schema   (all keys)"],
        ) from complaint


def compose_services(path: Path) -> dict[str, Composed]:
    """A compose file's services; a file that cannot be read has none: whoever runs it will say why."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict):
        return {}
    return {
        str(name): Composed(str(service.get("image") or ""), tuple(_mounts(service.get("volumes"))))
        for name, service in services.items()
        if isinstance(service, dict)
    }


def _mounts(volumes: object) -> Iterator[str]:
    """Both forms of the compose specification: SOURCE:TARGET[:MODE], and mappings with source and target."""
    for volume in volumes if isinstance(volumes, list) else ():
        if isinstance(volume, dict) and volume.get("source"):
            yield f"{volume['source']}:{volume.get('target', '')}"
        elif isinstance(volume, str):
            yield volume.removesuffix(":ro").removesuffix(":rw")


def _locate(node: yaml.Node, depth: int = 0) -> Located:
    """A YAML node as a located value: mappings by their keys (`<<` merged), sequences, scalars."""
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise Complaint("the file", line, "is nested too deeply")
    if isinstance(node, yaml.MappingNode):
        _refuse_twins(node)
        yaml.SafeLoader("").flatten_mapping(node)  # what `<<` merges comes first, so that own keys win
        members: dict[str, Located] = {}
        for key, value in node.value:
            members[str(key.value)] = Located(_locate(value, depth + 1).value, key.start_mark.line + 1)
        return Located(members, line)
    if isinstance(node, yaml.SequenceNode):
        return Located([_locate(item, depth + 1) for item in node.value], line)
    return Located(_scalar(node), line)


def _refuse_twins(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise Complaint(str(key.value), key.start_mark.line + 1, "stands here twice")
        seen.add(str(key.value))


def _scalar(node: yaml.Node) -> Any:
    """The scalar by YAML 1.2's core rules where they differ from 1.1: `no` is a text, and so is `22:22`."""
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool" and node.value.lower() in ("true", "false"):
        return node.value.lower() == "true"
    if kind in ("int", "float") and ":" not in node.value:
        return yaml.safe_load(node.value)
    return node.value
