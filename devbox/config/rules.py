"""The shape of devbox.yaml, key by key. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from devbox.config import modes
from devbox.config.model import (
    Build,
    Config,
    Docker,
    Endpoint,
    Health,
    Hook,
    Interpreter,
    Mapped,
    PyCharm,
    Service,
)
from devbox.config.shapes import Choice, CommandLine, Flag, ListOf, MapOf, Number, Section, Text

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_HOST = re.compile(r"(?:[^@\s/-][^@\s/]*@)?[^@\s/-][^@\s/]*")
_PORT = re.compile(r"(?:(?:[0-9.]+|\[[0-9a-fA-F:]+\]):)?(?:\d{1,5}:)?\d{1,5}(?:/tcp)?")


def _name(text: str) -> str:
    return (
        "" if _NAME.fullmatch(text) else f"wants lower-case letters, digits, '-', '_' and '.', found {text!r}"
    )


def _host(text: str) -> str:
    return "" if _HOST.fullmatch(text) else f"wants [USER@]HOST or an ssh alias, found {text!r}"


def _port(text: str) -> str:
    numbers = [int(part) for part in re.split(r"[:/]", text.rpartition("]")[2]) if part.isdigit()]
    fits = _PORT.fullmatch(text) and all(0 < number < 65536 for number in numbers)
    return "" if fits else f"wants [ADDRESS:][LOCAL:]CONTAINER such as 8000:8000, found {text!r}"


def _inside(text: str) -> str:
    """Local paths stay in the project: what leaves it is a mistake or an attack."""
    path = PurePosixPath(text)
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 0 if part == "." else 1
        if depth < 0 or path.is_absolute():
            return f"lies outside the project: {text!r}"
    return ""


def _absolute(text: str) -> str:
    return "" if text.startswith("/") else f"wants an absolute path in the container, found {text!r}"


def _remote(text: str) -> str:
    if not text.startswith(("/", "~/")):
        return f"wants a path on the host that starts with / or ~/, found {text!r}"
    deep = [part for part in PurePosixPath(text).parts if part not in ("/", "~", ".")]
    return "" if deep and ".." not in deep else f"wants a folder of its own, not {text!r}"


_TEXTS = ListOf(Text(), single=True)

DOCKER = Section(
    {
        "endpoint": Choice(
            Endpoint,
            "how the daemon is reached: tls, tls-tunnel (the host's loopback, through SSH) or ssh (no port)",
        ),
        "port": Number(1, 65535, "the daemon's TLS port on the host"),
    },
    Docker,
    "the Docker daemon on the host",
)

BUILD = Section(
    {
        "dockerfile": Text("the Dockerfile, relative to the project", _inside),
        "context": Text("the build context, relative to the project", _inside),
        "image": Text("the image's tag; <name>-dev when absent"),
        "target": Text("the stage to build"),
        "platform": Text("the platform to build for, such as linux/amd64"),
        "args": MapOf(Text(), "build arguments"),
        "labels": MapOf(Text(), "labels of the image"),
        "cache_from": ListOf(Text(), "images whose layers may be reused", single=True),
        "secrets": MapOf(Text(), "build secrets: id to local file"),
    },
    Build,
    "how the app image is built",
)

HOOK = Section(
    {
        "paths": ListOf(Text(), "which saves it follows, in .gitignore's syntax", single=True),
        "run": CommandLine("what runs on the host, in the remote folder; the paths are its arguments"),
        "restart": ListOf(Text(), "services that are started again", single=True),
    },
    Hook,
    "what is done when a save is visible on the host, while it is watched",
    required=("paths",),
)

MAPPED = Section(
    {
        "local": Text("the local folder, relative to the project", _inside),
        "remote": Text("the folder on the host that follows it", _remote),
        "container": Text("where containers see it", _absolute),
        "ignore": ListOf(Text(), "more ignore rules, in .gitignore's syntax", single=True),
        "in_place": ListOf(Text(), "files that are bind-mounted one by one: written in place", single=True),
        "chmod": Text("modes on the host, such as D2775,F664 (folders, files)", modes.wrong),
        "hooks": ListOf(HOOK, "what is done after saves"),
    },
    Mapped,
    "one folder that is kept in step",
)

HEALTH = Section(
    {
        "command": CommandLine("what must succeed in the container"),
        "interval": Number(0.1, 3600, "seconds between two tries", whole=False),
        "timeout": Number(0.1, 3600, "seconds for one try", whole=False),
        "retries": Number(1, 1000, "failures in a row that make it unhealthy"),
        "start_period": Number(0, 3600, "seconds in which failures do not count", whole=False),
    },
    Health,
    "when the service counts as healthy",
    required=("command",),
)


def _service(name: str, values: Service) -> Service:
    return replace(values, name=name)


def _unnamed(**values: Any) -> Service:
    return Service(name="", **values)


SERVICE = Section(
    {
        "command": CommandLine("what it runs: a text for the shell, or a list"),
        "image": Text("another image than the app's"),
        "ports": ListOf(Text("", _port), "[ADDRESS:][LOCAL:]CONTAINER", single=True),
        "environment": MapOf(Text(), "environment variables"),
        "env_file": ListOf(Text("", _inside), "files of environment variables", single=True),
        "volumes": ListOf(Text(), "NAME:/path or ./local/path:/path", single=True),
        "working_dir": Text("the working directory", _absolute),
        "user": Text("the user; the SSH user's uid:gid when absent"),
        "depends_on": ListOf(Text(), "services that must run (and be healthy) first", single=True),
        "restart": Text("no, on-failure, unless-stopped or always"),
        "health": HEALTH,
        "mount": Flag("whether the synced folders are mounted"),
        "memory": Text("a limit such as 512m"),
        "cpus": Number(0, 1024, "a limit in CPUs", whole=False),
        "profiles": ListOf(Text(), "started only with one of these profiles", single=True),
        "allow": ListOf(
            Text(), "docker.sock, privileged, host-network, host-root, capabilities", single=True
        ),
    },
    _unnamed,
    "one service of the app",
)

PYCHARM = Section(
    {"interpreter": Choice(Interpreter, "which remote interpreter the IDE gets")},
    PyCharm,
    "what PyCharm is given",
)

DOCUMENT = Section(
    {
        "name": Text("the project's name: part of the image, container and folder names", _name),
        "host": Text("[USER@]HOST, or an alias of ~/.ssh/config", _host),
        "docker": DOCKER,
        "build": BUILD,
        "sync": ListOf(MAPPED, "folders that are kept in step"),
        "compose": Text("a compose file whose services are run (its supported keys)", _inside),
        "services": MapOf(SERVICE, "the app's services", named=_service),
        "pycharm": PYCHARM,
    },
    Config,
    "devbox.yaml",
    required=("name",),
)


def with_defaults(config: Config) -> Config:
    """Fill in what follows from the name: one mapping of the project, and remote folders without a path."""
    mappings = config.sync or (Mapped(),)
    filled = tuple(
        mapping if mapping.remote else replace(mapping, remote=_remote_default(config.name, mapping))
        for mapping in mappings
    )
    return replace(config, sync=filled)


def _remote_default(name: str, mapping: Mapped) -> str:
    below = "" if mapping.local in (".", "./") else "-" + mapping.local.strip("./").replace("/", "-")
    return f"~/devbox/{name}{below}"
