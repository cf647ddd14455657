"""Building the app image: config and local tree in, image on the daemon out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devbox.config.model import Config
from devbox.errors import BuildFailed, ConfigError, DevboxError
from devbox.image.context import LocalContext, local_context
from devbox.image.progress import Progress
from devbox.ports.build import Builder, BuildRequest
from devbox.ports.daemon import Daemon
from devbox.ports.events import Emit

_FALLBACK = ("Dockerfile.dev", "Dockerfile")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be built from what."""

    request: BuildRequest
    context: LocalContext
    dockerfile: Path


@dataclass(frozen=True, slots=True)
class Result:
    """A built image: its id, the bytes of context that travelled, and steps that came out of the cache."""

    image: str
    tag: str
    sent: int
    steps: int
    cached: int


@dataclass(frozen=True, slots=True)
class How:
    """What only the command line says of a build."""

    no_cache: bool = False
    pull: bool = False
    builder: Builder = Builder.AUTO


def plan(config: Config, account: str, how: How | None = None) -> Plan:
    """Look at the project; a missing Dockerfile is a stated failure. `account` is the SSH user's name."""
    how = how or How()
    root = Path(config.root)
    dockerfile = find_dockerfile(config)
    context, name = local_context((root / config.build.context).resolve(), dockerfile)
    request = BuildRequest(
        tag=config.image,
        dockerfile=name,
        target=config.build.target,
        platform=config.build.platform,
        args=config.build.args,
        labels={**config.build.labels, **config.labels(account)},
        no_cache=how.no_cache,
        pull=how.pull,
        builder=how.builder,
        cache_from=config.build.cache_from,
        secrets={key: _secret(root / file) for key, file in config.build.secrets.items()},
    )
    return Plan(request, context, dockerfile)


def find_dockerfile(config: Config) -> Path:
    """The Dockerfile of the config; where the default is missing, a plain `Dockerfile` serves."""
    root = Path(config.root)
    wanted = config.build.dockerfile
    names = _FALLBACK if wanted == _FALLBACK[0] else (wanted,)
    found = next((root / name for name in names if (root / name).is_file()), None)
    if found is None:
        raise ConfigError(
            f"there is no {' and no '.join(names)}",
            where=str(root),
            next_steps=[
                "devbox build --new-dockerfile   (writes one that fits this project)",
                "or name yours in devbox.yaml: build: {dockerfile: PATH}",
            ],
        )
    return found.resolve()


def build(daemon: Daemon, wanted: Plan, emit: Emit) -> Result:
    """Build; a failing Dockerfile is a `BuildFailed` with the step, its last lines and its line."""
    progress = Progress(emit)
    try:
        with daemon.build(wanted.request, wanted.context) as events:
            for event in events:
                progress.take(event)
    except BuildFailed as failed:
        text = wanted.dockerfile.read_text(encoding="utf-8", errors="replace")
        raise progress.failure(failed, text, wanted.dockerfile.name) from failed
    return Result(progress.image, wanted.request.tag, progress.sent, len(progress.steps), progress.cached)


def with_overrides(config: Config, *, target: str, args: Mapping[str, str]) -> Config:
    """The config with what the command line says."""
    section = replace(
        config.build,
        target=target or config.build.target,
        args={**config.build.args, **args},
    )
    return replace(config, build=section)


def _secret(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DevboxError(
            "a build secret cannot be read", where=str(file), why=error.strerror or ""
        ) from error
