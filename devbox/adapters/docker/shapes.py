"""Between our values and the daemon's JSON (Docker Engine API 1.41 and later)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from devbox.config.runtime import Runtime
from devbox.ports.daemon import Container, ContainerSpec, Image, Mount, Probe, Published

_NANO = 1_000_000_000


def create_body(spec: ContainerSpec) -> dict[str, Any]:
    """The body of POST /containers/create."""
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in spec.environment.items()],
        "Labels": dict(spec.labels),
        "User": spec.user,
        "WorkingDir": spec.working_dir,
        "Hostname": spec.hostname,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "ExposedPorts": {f"{port.container}/tcp": {} for port in spec.ports},
        "HostConfig": host_config(spec),
    }
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint)
    if spec.health:
        body["Healthcheck"] = _healthcheck(spec.health)
    if spec.network and spec.network not in ("host", "none"):
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: endpoint(spec, spec.network)}}
    if spec.runtime.stop_signal:
        body["StopSignal"] = spec.runtime.stop_signal
    if spec.runtime.stop_grace is not None:
        body["StopTimeout"] = math.ceil(spec.runtime.stop_grace)
    return body


def endpoint(spec: ContainerSpec, network: str) -> dict[str, Any]:
    """A container in one of its networks."""
    return {"Aliases": [*spec.aliases, *spec.network_aliases.get(network, ())]}


def host_config(spec: ContainerSpec) -> dict[str, Any]:
    """The host's side of a container."""
    return {
        "Mounts": [_mount(mount) for mount in spec.mounts if not mount.relabel],
        # A Mount cannot ask for a label. The folder is known to be there, so no Bind makes it.
        "Binds": [_bind(mount) for mount in spec.mounts if mount.relabel],
        "PortBindings": _bindings(spec.ports),
        "RestartPolicy": _restart(spec.restart),
        "NetworkMode": spec.network or "default",
        "ExtraHosts": list(spec.extra_hosts),
        "Memory": spec.memory,
        "ShmSize": spec.shm_size,
        "NanoCpus": int(spec.cpus * _NANO),
        "Privileged": spec.privileged,
        "AutoRemove": spec.remove,
        **_runtime(spec.runtime),
    }


def _runtime(wanted: Runtime) -> dict[str, Any]:
    return {
        "CapAdd": list(wanted.cap_add),
        "CapDrop": list(wanted.cap_drop),
        "Ulimits": [{"Name": n, "Soft": soft, "Hard": hard} for n, (soft, hard) in wanted.ulimits.items()],
        "Tmpfs": dict(wanted.tmpfs),
        "ReadonlyRootfs": wanted.read_only,
        "SecurityOpt": ["no-new-privileges"] if wanted.no_new_privileges else [],
        "Init": wanted.init,
        "LogConfig": {"Type": wanted.log_driver, "Config": dict(wanted.log_options)},
    }


def _restart(wanted: str) -> dict[str, Any]:
    name, _, tries = wanted.partition(":")
    return {"Name": "" if name == "no" else name, "MaximumRetryCount": int(tries or 0)}


def _bindings(ports: tuple[Published, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        place = {"HostIp": port.address, "HostPort": str(port.host or "")}
        bindings.setdefault(f"{port.container}/tcp", []).append(place)
    return bindings


def _mount(mount: Mount) -> dict[str, Any]:
    """A mount (not a `Bind`: those make a missing folder, as root)."""
    kind = "volume" if mount.volume else "bind"
    return {"Type": kind, "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _bind(mount: Mount) -> str:
    return f"{mount.source}:{mount.target}:z{',ro' if mount.read_only else ''}"


def _healthcheck(probe: Probe) -> dict[str, Any]:
    return {
        "Test": list(probe.command),
        "Interval": int(probe.interval * _NANO),
        "Timeout": int(probe.timeout * _NANO),
        "Retries": probe.retries,
        "StartPeriod": int(probe.start_period * _NANO),
    }


def listed(entry: Mapping[str, Any]) -> Container:
    """A container out of GET /containers/json; its health stands in the status text there."""
    status = str(entry.get("Status", ""))
    health = next((word for word in ("unhealthy", "healthy", "starting") if f"{word}" in status), "")
    if "health: starting" in status:
        health = "starting"
    return Container(
        id=entry["Id"],
        name=entry["Names"][0].lstrip("/"),
        image=entry["Image"],
        state=entry["State"],
        labels=entry.get("Labels") or {},
        health=health,
        exit_code=_exit_code(status),
        status=status,
        ports=_listed_ports(entry.get("Ports") or []),
    )


def _exit_code(status: str) -> int:
    _, found, rest = status.partition("Exited (")
    return int(rest.partition(")")[0]) if found else 0


def _listed_ports(ports: list[dict[str, Any]]) -> tuple[Published, ...]:
    return tuple(
        Published(port["PrivatePort"], port["PublicPort"], port.get("IP", ""))
        for port in ports
        if port.get("PublicPort") and port.get("Type") == "tcp"
    )


def inspected(entry: Mapping[str, Any]) -> Container:
    """A container out of GET /containers/ID/json."""
    state = entry["State"]
    published = (entry.get("NetworkSettings") or {}).get("Ports") or {}
    return Container(
        id=entry["Id"],
        name=entry["Name"].lstrip("/"),
        image=entry["Config"]["Image"],
        state=state["Status"],
        labels=entry["Config"].get("Labels") or {},
        health=(state.get("Health") or {}).get("Status", ""),
        exit_code=state.get("ExitCode", 0),
        status=state.get("Error", ""),
        ports=tuple(
            Published(int(port.partition("/")[0]), int(place["HostPort"]), place["HostIp"])
            for port, places in published.items()
            if port.endswith("/tcp")
            for place in places or []
        ),
    )


def image(entry: Mapping[str, Any]) -> Image:
    """An image out of GET /images/NAME/json."""
    return Image(
        entry["Id"], tuple(entry.get("RepoTags") or ()), entry.get("Size", 0), entry.get("Config") or {}
    )
