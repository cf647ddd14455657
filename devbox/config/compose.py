"""The part of the compose specification that devbox runs itself. Pure.

(https://github.com/compose-spec/compose-spec/blob/main/spec.md) A key is taken as `docker compose config`
understands it, or it is refused by name: nothing is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from devbox.config.compose_draft import Draft, refused
from devbox.config.compose_keys import KEYS
from devbox.config.compose_runtime import secret_files
from devbox.config.compose_values import mapping, replaced
from devbox.config.model import Build, Service
from devbox.config.runtime import Runtime
from devbox.config.shapes import Complaint, Located

_TOP = frozenset(("version", "name", "services", "volumes", "networks", "secrets"))
_DRIVERS = {"volumes": "local", "networks": "bridge"}


@dataclass(frozen=True, slots=True)
class Understood:
    """What the file says: services, and the one image that is built, if any is."""

    services: tuple[Service, ...]
    build: Build | None


def read(document: Located, folder: str, variables: Mapping[str, str]) -> Understood:
    """The services of a compose file in `folder` (relative to the project), with `${…}` replaced."""
    whole = mapping(replaced(document, variables), "the file")
    for key, node in whole.items():
        if key not in _TOP and not key.startswith("x-"):
            raise refused(key, node)
    for key, driver in _DRIVERS.items():
        _plain(whole.get(key, Located({}, 1)), key, driver)
    secrets = secret_files(whole.get("secrets", Located({}, 1)), folder)
    services, build = [], None
    for name, node in mapping(whole.get("services", Located({}, 1)), "services").items():
        draft = Draft(name, folder, variables, secrets)
        services.append(_service(draft, node))
        if draft.build and build and draft.build != build:
            why = "builds another image than the services before it: devbox builds one, the app's"
            raise Complaint(f"services.{name}.build", node.line, why)
        build = draft.build or build
    return Understood(tuple(services), build)


def _service(draft: Draft, node: Located) -> Service:
    path = f"services.{draft.name}"
    for key, item in mapping(node, path).items():
        taker = KEYS.get(key)
        if taker is not None:
            taker(draft, item, f"{path}.{key}")
        elif not key.startswith("x-"):
            raise refused(f"{path}.{key}", item)
    if draft.build is not None:
        draft.build = replace(draft.build, image=draft.values.pop("image", ""))
    elif "image" not in draft.values:
        raise Complaint(path, node.line, "has neither an image nor a build")
    for danger, line in draft.dangers.items():
        if danger not in draft.values.get("allow", ()):
            raise Complaint(path, line, f"wants x-devbox: {{allow: [{danger}]}} if that is meant")
    runtime = Runtime(**draft.runtime)
    return Service(**{"name": draft.name, "mount": False, "runtime": runtime, **draft.values})


def _plain(node: Located, path: str, driver: str) -> None:
    """Volumes and networks are devbox's own: an entry may be there and say what is so anyway, no more."""
    for name, item in mapping(node, path).items():
        for key, value in mapping(item, f"{path}.{name}").items():
            if key != "driver" or value.value != driver:
                raise refused(f"{path}.{name}.{key}", value)
