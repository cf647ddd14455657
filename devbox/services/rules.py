"""What a service may have: its mounts and where those are on the host, its limits, its dangers. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from devbox.config.model import Config, Service
from devbox.errors import ConfigError
from devbox.ports.daemon import Mount
from devbox.services.model import Account, Extra

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DANGERS = ("docker.sock", "privileged", "host-network", "host-root", "capabilities")
_RESTARTS = ("no", "on-failure", "unless-stopped", "always")


def refuse_unknown(config: Config, service: Service) -> None:
    """Words of `allow` and `restart` that nobody knows."""
    where = f"{config.file}: services.{service.name}"
    for word in service.allow:
        if word not in _DANGERS:
            raise ConfigError(
                f"allow does not know {word!r}", where=where, why=f"it knows {', '.join(_DANGERS)}"
            )
    if not re.fullmatch(r"on-failure:\d+", service.restart) and service.restart not in _RESTARTS:
        raise ConfigError(f"restart: {service.restart} is not one of {', '.join(_RESTARTS)}", where=where)


def mounts(config: Config, service: Service, account: Account, extra: Extra) -> tuple[Mount, ...]:
    """The code where it is wanted, what the command adds, and the service's own volumes."""
    code: list[Mount] = []
    if service.mount:
        code = [Mount(one.container, account.absolute(one.remote)) for one in config.sync]
        code += extra.mounts
    return (*code, *(_volume(config, service, text, account) for text in service.volumes))


def _volume(config: Config, service: Service, text: str, account: Account) -> Mount:
    where = f"{config.file}: services.{service.name}.volumes"
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source and target.startswith("/"):
        return Mount(target, "", volume=True)
    if not target.startswith("/") or mode not in ("", "ro", "rw"):
        raise ConfigError(f"wants NAME:/path or ./local:/path, found {text!r}", where=where)
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", source):
        return Mount(target, f"{config.scope(account.name)}_{source}", volume=True, read_only=mode == "ro")
    return Mount(target, _on_host(config, service, source, where, account), read_only=mode == "ro")


def _on_host(config: Config, service: Service, source: str, where: str, account: Account) -> str:
    """The path on the host of a mount: synced, or below ~/devbox, or allowed by name."""
    if source.startswith("~/devbox/"):
        return account.absolute(source)
    if source.endswith("/docker.sock") and "docker.sock" in service.allow:
        return source
    if source.startswith("/") and "host-root" in service.allow:
        return source
    path = PurePosixPath(source)
    for mapping in config.sync:
        local = PurePosixPath(mapping.local)
        if not path.is_absolute() and ".." not in path.parts and path.is_relative_to(local):
            return str(PurePosixPath(account.absolute(mapping.remote)) / path.relative_to(local))
    need = "docker.sock" if source.endswith("/docker.sock") else "host-root"
    why = f"allow: [{need}] if it is meant" if source.startswith("/") else "no sync mapping holds it"
    raise ConfigError(f"{source} is not on the host", where=where, why=why)


def size(config: Config, service: Service, key: str, text: str) -> int:
    """A size in bytes; 0 where none is said."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d+)([bkmg]?)b?", text.lower())
    if not found:
        where = f"{config.file}: services.{service.name}"
        raise ConfigError(f"{key} wants a size such as 512m, found {text!r}", where=where)
    return int(found[1]) * _UNITS[found[2]]


def relabelled(config: Config, mounts: tuple[Mount, ...], account: Account) -> tuple[Mount, ...]:
    """With SELinux: the synced folders are labelled for containers. Nothing else of the host ever is, for a
    label on /etc or a home folder locks its owner out."""
    roots = [PurePosixPath(account.absolute(mapping.remote)) for mapping in config.sync]

    def synced(mount: Mount) -> bool:
        return not mount.volume and any(PurePosixPath(mount.source).is_relative_to(root) for root in roots)

    return tuple(replace(mount, relabel=synced(mount)) for mount in mounts)
