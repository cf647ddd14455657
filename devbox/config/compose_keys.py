"""The keys of a compose file's service: each takes its value into a draft, or refuses it by name. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devbox.config.compose_draft import Draft, Taker, ignore, keep, refused
from devbox.config.compose_runtime import RUNTIME_KEYS
from devbox.config.compose_values import (
    duration,
    extra_hosts,
    items,
    joined,
    mapping,
    plain_text,
    port,
    volume,
)
from devbox.config.model import Build, Health
from devbox.config.shapes import Complaint, Flag, ListOf, Located, Number, Text

_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
_TIMES = {"interval": 30.0, "timeout": 30.0, "start_period": 0.0}


# One taker per key: (draft, node, path) -> None.


def _words(name: str) -> Callable[[Draft, Located, str], None]:
    def take(draft: Draft, node: Located, path: str) -> None:
        listed = isinstance(node.value, list)
        words = ListOf(Text()).read(node, path) if listed else tuple(shlex.split(Text().read(node, path)))
        draft.values[name] = words

    return take


def _environment(draft: Draft, node: Located, path: str) -> None:
    draft.values["environment"] = dict(_listed(node, path, draft.variables))


def _labels(draft: Draft, node: Located, path: str) -> None:
    if isinstance(node.value, dict):
        given = ((name, "" if one.value is None else plain_text(one)) for name, one in node.value.items())
        draft.values["labels"] = dict(given)
    else:
        texts = (text.partition("=") for text in ListOf(Text()).read(node, path))
        draft.values["labels"] = {name: value for name, _, value in texts}


def _listed(node: Located, path: str, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A mapping, or a list of NAME=VALUE; a NAME alone is taken from our own environment, if it is there."""
    if isinstance(node.value, dict):
        items = [(name, None if one.value is None else plain_text(one)) for name, one in node.value.items()]
    else:
        texts = (text.partition("=") for text in ListOf(Text()).read(node, path))
        items = [(name, value if equals else None) for name, equals, value in texts]
    for name, value in items:
        found = variables.get(name) if value is None else value
        if found is not None:
            yield name, found


def _build(draft: Draft, node: Located, path: str) -> None:
    if not isinstance(node.value, dict):
        node = Located({"context": node}, node.line)
    taken: dict[str, Any] = {"context": ".", "dockerfile": "Dockerfile", "args": {}}
    for key, item in mapping(node, path).items():
        if key == "args":
            taken[key] = dict(_listed(item, f"{path}.args", draft.variables))
        elif key in ("context", "dockerfile", "target"):
            taken[key] = Text().read(item, f"{path}.{key}")
        else:
            raise refused(f"{path}.{key}", item)
    context = joined(draft.folder, taken["context"])
    dockerfile = joined(context, taken["dockerfile"])
    draft.build = Build(**{**taken, "context": context, "dockerfile": dockerfile})


def _ports(draft: Draft, node: Located, path: str) -> None:
    draft.values["ports"] = tuple(port(item, path) for item in items(node, path))


def _volumes(draft: Draft, node: Located, path: str) -> None:
    found = (volume(item, path, draft.folder) for item in items(node, path))
    draft.values["volumes"] = (*found, *draft.values.get("volumes", ()))


def _depends(draft: Draft, node: Located, path: str) -> None:
    if not isinstance(node.value, dict):
        draft.values["depends_on"] = ListOf(Text()).read(node, path)
        draft.values["conditions"] = dict.fromkeys(draft.values["depends_on"], _CONDITIONS[0])
        return
    conditions = {}
    for name, item in node.value.items():
        inner = {key: plain_text(value) for key, value in mapping(item, f"{path}.{name}").items()}
        conditions[name] = inner.pop("condition", "")
        if conditions[name] not in _CONDITIONS or inner.get("required", "true") != "true":
            raise Complaint(f"{path}.{name}", item.line, f"wants a condition of {', '.join(_CONDITIONS)}")
        if "restart" in inner:
            raise refused(f"{path}.{name}.restart", item)
    draft.values["depends_on"], draft.values["conditions"] = tuple(conditions), conditions


def _health(draft: Draft, node: Located, path: str) -> None:
    inner = dict(mapping(node, path))
    for key in set(inner) - {"test", "interval", "timeout", "retries", "start_period", "disable"}:
        raise refused(f"{path}.{key}", inner[key])
    test = inner.get("test")
    if plain_text(inner.get("disable", Located(False, 0))) == "true" or test is None:
        return
    words = (
        ListOf(Text()).read(test, f"{path}.test")
        if isinstance(test.value, list)
        else ("CMD-SHELL", plain_text(test))
    )
    if words[:1] == ("NONE",):
        return
    if words[:1] not in (("CMD",), ("CMD-SHELL",)):
        raise Complaint(
            f"{path}.test", test.line, "wants a text, or a list that begins with CMD or CMD-SHELL"
        )
    command = words[1] if words[0] == "CMD-SHELL" else words[1:]
    times = {key: duration(inner[key], f"{path}.{key}") for key in _TIMES if key in inner}
    retries = Number(1, 1000).read(inner.get("retries", Located(3, 0)), f"{path}.retries")
    draft.values["health"] = Health(command, **{**_TIMES, **times}, retries=retries)  # type: ignore[arg-type]


def _env_files(draft: Draft, node: Located, path: str) -> None:
    names = (Text().read(item, path) for item in items(node, path))
    draft.values["env_file"] = tuple(joined(draft.folder, name) for name in names)


def _deploy(draft: Draft, node: Located, path: str) -> None:
    for key, item in mapping(node, path).items():
        if key != "resources":
            raise refused(f"{path}.{key}", item)
        for kind, limits in mapping(item, f"{path}.resources").items():
            for name, value in mapping(limits, f"{path}.resources.{kind}").items():
                if kind != "limits" or name not in ("cpus", "memory"):
                    raise refused(f"{path}.resources.{kind}.{name}", value)
                draft.values[name] = float(plain_text(value)) if name == "cpus" else plain_text(value)


def _cpus(draft: Draft, node: Located, path: str) -> None:
    draft.values["cpus"] = float(Text().read(node, path))


def _network_mode(draft: Draft, node: Located, path: str) -> None:
    if plain_text(node) != "host":
        raise Complaint(path, node.line, "may be host only")
    draft.dangers["host-network"] = node.line


def _privileged(draft: Draft, node: Located, path: str) -> None:
    if Flag().read(node, path):
        draft.dangers["privileged"] = node.line


def _networks(draft: Draft, node: Located, path: str) -> None:
    if not isinstance(node.value, dict):
        draft.values["networks"] = ListOf(Text()).read(node, path)
        return
    aliases = {}
    for name, item in node.value.items():
        for key, value in mapping(item, f"{path}.{name}").items():
            if key != "aliases":
                raise refused(f"{path}.{name}.{key}", value)
            aliases[name] = ListOf(Text()).read(value, f"{path}.{name}.aliases")
    draft.values["networks"], draft.values["network_aliases"] = tuple(node.value), aliases


def _extra_hosts(draft: Draft, node: Located, path: str) -> None:
    draft.values["extra_hosts"] = extra_hosts(node, path)


def _own(draft: Draft, node: Located, path: str) -> None:
    """`x-devbox`: what only devbox needs to know."""
    for key, item in mapping(node, path).items():
        if key != "allow":
            raise Complaint(f"{path}.{key}", item.line, "is not a key devbox knows; it knows allow")
        draft.values["allow"] = ListOf(Text(), single=True).read(item, f"{path}.allow")


KEYS: Mapping[str, Taker] = {
    **RUNTIME_KEYS,
    "image": keep("image", Text()),
    "build": _build,
    "command": _words("command"),
    "entrypoint": _words("entrypoint"),
    "environment": _environment,
    "env_file": _env_files,
    "labels": _labels,
    "ports": _ports,
    "expose": ignore,
    "volumes": _volumes,
    # Two people on one host must not meet: devbox names the container, the others find it by this name.
    "container_name": keep("alias", Text()),
    "hostname": keep("hostname", Text()),
    "extra_hosts": _extra_hosts,
    "shm_size": keep("shm_size", Text()),
    "working_dir": keep("working_dir", Text()),
    "user": keep("user", Text()),
    "depends_on": _depends,
    "restart": keep("restart", Text()),
    "healthcheck": _health,
    "deploy": _deploy,
    "mem_limit": keep("memory", Text()),
    "cpus": _cpus,
    "profiles": keep("profiles", ListOf(Text())),
    "privileged": _privileged,
    "network_mode": _network_mode,
    "networks": _networks,
    "tty": keep("tty", Flag()),
    "stdin_open": keep("stdin", Flag()),
    "develop": ignore,
    "x-devbox": _own,
}
