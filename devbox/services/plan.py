"""From devbox.yaml to container specs, and from what runs to what has to be done. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath

from devbox.config.model import Config, Service
from devbox.errors import ConfigError
from devbox.ports.daemon import Container, ContainerSpec, Mount, Probe, Published
from devbox.services import model, rules
from devbox.services.model import Account, Extra, PortWish, Wanted


@dataclass(frozen=True, slots=True)
class Steps:
    """What `up` has to do, in this order."""

    keep: tuple[Wanted, ...]
    create: tuple[Wanted, ...]
    replace: tuple[Wanted, ...]
    start: tuple[Wanted, ...]
    orphans: tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What specs depend on besides the config. `files` are the variables of each service's env_file."""

    account: Account
    images: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]
    extra: Extra = field(default_factory=Extra)
    image_variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What each image sets itself."""
    selinux: bool = False
    expose: bool = False
    """Ports on all of the host's addresses, under their own numbers, instead of on its loopback."""


def chosen(config: Config, names: Sequence[str], profiles: Sequence[str]) -> list[Service]:
    """The services to run, dependencies before dependents; all without profiles when no name is given."""
    for name in names:
        if config.service(name) is None:
            known = ", ".join(service.name for service in config.services) or "none"
            raise ConfigError(f"no service is called {name}", where=config.file, why=f"there are: {known}")
    active = [one for one in config.services if not one.profiles or set(one.profiles) & set(profiles)]
    wanted = [service for service in config.services if service.name in names] if names else active
    done: dict[str, Service] = {}
    for service in wanted:
        _visit(config, service, done, ())
    return list(done.values())


def _visit(config: Config, service: Service, done: dict[str, Service], path: tuple[str, ...]) -> None:
    if service.name in path:
        circle = " -> ".join([*path[path.index(service.name) :], service.name])
        raise ConfigError("services wait for each other in a circle", where=config.file, why=circle)
    if service.name in done:
        return
    for name in service.depends_on:
        other = config.service(name)
        if other is None:
            raise ConfigError(
                f"service {service.name} depends on {name}, which is not there", where=config.file
            )
        _visit(config, other, done, (*path, service.name))
    done[service.name] = service


def wanted(config: Config, service: Service, around: Surroundings) -> Wanted:
    """The container that this service shall be."""
    rules.refuse_unknown(config, service)
    network, *also = _networks(config, service, around.account.name)
    spec = ContainerSpec(
        name=model.container_name(config, around.account.name, service.name),
        image=service.image or config.image,
        command=_words(service.command),
        entrypoint=service.entrypoint,
        tty=service.tty,
        stdin=service.stdin,
        environment=_environment(config, service, around),
        mounts=_mounts(config, service, around),
        ports=tuple(_published(PortWish.parse(text), around.expose) for text in service.ports),
        user=service.user or _user(service, around.account),
        working_dir=service.working_dir or _working_dir(config, service),
        network=network,
        also=tuple(also),
        aliases=tuple(dict.fromkeys((service.name, service.alias or service.name))),
        network_aliases=_aliases(config, service, around.account.name),
        hostname=service.hostname,
        extra_hosts=service.extra_hosts,
        restart=service.restart,
        health=_probe(service),
        memory=rules.size(config, service, "memory", service.memory),
        shm_size=rules.size(config, service, "shm_size", service.shm_size),
        cpus=service.cpus,
        privileged="privileged" in service.allow,
        runtime=service.runtime,
        labels={**service.labels, **config.labels(around.account.name), model.SERVICE: service.name},
    )
    return Wanted(service, _marked(spec, service, around.images.get(spec.image, "")))


def _marked(spec: ContainerSpec, service: Service, image_id: str) -> ContainerSpec:
    """With the labels by which it is known again, and its ports are forwarded."""
    mark = _fingerprint(spec, image_id)
    local = ",".join(f"{wish.local}:{wish.container}" for wish in map(PortWish.parse, service.ports))
    return replace(spec, labels={**spec.labels, model.SPEC: mark, model.LOCAL_PORTS: local})


def app_service(command: Sequence[str] = ()) -> Service:
    """A service of the app image with the code mounted, as `devbox run` needs it."""
    return Service(name="run", command=tuple(command))


def one_off(
    config: Config, around: Surroundings, command: Sequence[str], name: str, tty: bool
) -> ContainerSpec:
    """A container for `devbox run`: the same image, mounts and network; gone at its end."""
    base = wanted(config, app_service(command), around).spec
    labels = {**config.labels(around.account.name), model.ONE_OFF: "yes"}
    return replace(base, name=name, labels=labels, aliases=(), tty=tty, stdin=True, remove=True)


def steps(want: Sequence[Wanted], have: Iterable[Container], all_services: Iterable[str]) -> Steps:
    """What to keep, create, replace, start again; orphans are of services that are no longer there."""
    mine = [one for one in have if model.ONE_OFF not in one.labels]
    by_service = {model.service_of(one): one for one in mine}
    known = set(all_services)
    keep, create, again, start = [], [], [], []
    for one in want:
        found = by_service.get(one.service.name)
        if found is None:
            create.append(one)
        elif found.labels.get(model.SPEC) != one.spec.labels[model.SPEC]:
            again.append(one)
        elif not found.running:
            start.append(one)
        else:
            keep.append(one)
    orphans = tuple(one for one in mine if model.service_of(one) not in known)
    return Steps(tuple(keep), tuple(create), tuple(again), tuple(start), orphans)


def volumes(specs: Iterable[ContainerSpec]) -> list[str]:
    """The named volumes that these containers need."""
    return sorted({one.source for spec in specs for one in spec.mounts if one.volume and one.source})


def networks(specs: Iterable[ContainerSpec]) -> list[str]:
    """The networks that these containers need."""
    return sorted({name for spec in specs for name in (spec.network, *spec.also)} - {"host"})


def host_folders(specs: Iterable[ContainerSpec], account: Account) -> list[str]:
    """Folders below ~/devbox that services name as `~/devbox/…`: made for them, owned by the SSH user."""
    own = str(PurePosixPath(account.home) / "devbox") + "/"
    found = {mount.source for spec in specs for mount in spec.mounts if not mount.volume}
    return sorted(source for source in found if source.startswith(own))


def _published(wish: PortWish, expose: bool) -> Published:
    return Published(wish.container, wish.local, "0.0.0.0") if expose else Published(wish.container)


def _networks(config: Config, service: Service, account: str) -> list[str]:
    if "host-network" in service.allow:
        return ["host"]
    return [model.network_name(config, account, name) for name in service.networks or ("default",)]


def _aliases(config: Config, service: Service, account: str) -> dict[str, tuple[str, ...]]:
    given = service.network_aliases.items()
    return {model.network_name(config, account, name): aliases for name, aliases in given}


def _user(service: Service, account: Account) -> str:
    """The SSH user where our code is mounted; a database in its own image knows best who owns its files."""
    return "" if service.image and not service.mount else account.user


def _words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(command, str):
        return ("sh", "-c", command) if command else ()
    return command


def _environment(config: Config, service: Service, around: Surroundings) -> dict[str, str]:
    # The SSH user's uid is nobody in most images: without a HOME that it can write to, many tools give up.
    home = {"HOME": "/tmp"} if service.user or _user(service, around.account) else {}
    own = {**home, **around.files.get(service.name, {}), **service.environment}
    if not service.mount:
        return own
    extra = around.extra
    added = {name: value.replace("{service}", service.name) for name, value in extra.environment.items()}
    if extra.python_path:
        image = around.image_variables.get(service.image or config.image, {})
        path = own.get("PYTHONPATH", image.get("PYTHONPATH", ""))
        own["PYTHONPATH"] = f"{extra.python_path}:{path}" if path else extra.python_path
    return {**added, **own}


def _mounts(config: Config, service: Service, around: Surroundings) -> tuple[Mount, ...]:
    found = rules.mounts(config, service, around.account, around.extra)
    return rules.relabelled(config, found, around.account) if around.selinux else found


def _working_dir(config: Config, service: Service) -> str:
    return config.sync[0].container if config.sync and service.mount and not service.image else ""


def _probe(service: Service) -> Probe | None:
    health = service.health
    if health is None:
        return None
    words = ("CMD-SHELL", health.command) if isinstance(health.command, str) else ("CMD", *health.command)
    return Probe(words, health.interval, health.timeout, int(health.retries), health.start_period)


def _fingerprint(spec: ContainerSpec, image_id: str) -> str:
    """Changes when the container would be another one: its spec, or the image behind the tag."""
    text = json.dumps([asdict(spec), image_id], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
