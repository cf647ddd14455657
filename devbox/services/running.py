"""Doing what the plan says on the daemon: up, down, ps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from devbox.config.model import OWNER_LABEL, Config, Service
from devbox.errors import ConfigError, DaemonError
from devbox.ports.daemon import Container, ContainerSpec, Daemon, Image
from devbox.ports.events import Emit, Event
from devbox.ports.host import Finished, Host, Line, Script, Stream
from devbox.services import envfile, model, plan
from devbox.services.model import Account, Extra, Row, Wanted
from devbox.services.waiting import Waiting

_ACCOUNT = 'printf "%s\\n%s\\n%s\\n" "$(id -u)" "$(id -g)" "$HOME"'


@dataclass(frozen=True, slots=True)
class Started:
    """What `up` came to: how many containers were made new, replaced, started again, kept."""

    created: tuple[str, ...]
    replaced: tuple[str, ...]
    restarted: tuple[str, ...]
    kept: tuple[str, ...]


def account(host: Host) -> Account:
    """Who the SSH user is on the host; one round trip."""
    uid, gid, home = _say(host, _ACCOUNT)[:3]
    return Account(int(uid), int(gid), home, host.address.user)


def surroundings(
    config: Config, daemon: Daemon, who: Account, services: Sequence[Service], extra: Extra
) -> plan.Surroundings:
    """What specs depend on: images (missing ones are pulled, the app's must be built) and variables."""
    images, variables = {}, {}
    for name in sorted({service.image or config.image for service in services}):
        found = _image(config, daemon, name, config.owner(who.name))
        images[name] = found.id if found else ""
        lines = (found.config.get("Env") if found else None) or ()
        variables[name] = dict(line.partition("=")[::2] for line in lines)
    files = {service.name: envfile.variables(config, service) for service in services}
    return plan.Surroundings(who, images, files, extra, variables, daemon.engine().selinux)


def _image(config: Config, daemon: Daemon, name: str, owner: str) -> Image | None:
    found = daemon.image(name)
    builder = ((found.config.get("Labels") if found else None) or {}).get(OWNER_LABEL, owner)
    if builder != owner:
        why = f"another project of the same name built it ({builder})"
        raise DaemonError(f"{name} on the host is not yours", why=why, next_steps=["devbox build"])
    if found is None and name == config.image:
        raise DaemonError(f"the app image {name} is not on the host", next_steps=["devbox build"])
    if found is None:
        daemon.pull(name, lambda _: None)
        found = daemon.image(name)
    return found


class Services:
    """A project's containers on one daemon."""

    def __init__(self, config: Config, host: Host, daemon: Daemon, emit: Emit) -> None:
        self.config, self.host, self.daemon, self.emit = config, host, daemon, emit
        self.user = host.address.user
        self.labels = config.labels(self.user)

    def up(
        self, names: Sequence[str], profiles: Sequence[str], extra: Extra, expose: bool = False
    ) -> Started:
        """Bring the services to what the config says; only what changed is made anew.

        Raises `ConfigError` for what cannot be meant, `DaemonError` with a service's last lines when it ends
        or gets unhealthy at once.
        """
        if not self.config.services:
            raise ConfigError("there are no services to run", where=self.config.file, next_steps=[_EXAMPLE])
        services = plan.chosen(self.config, names, profiles)
        who = account(self.host)
        around = replace(surroundings(self.config, self.daemon, who, services, extra), expose=expose)
        want = [plan.wanted(self.config, service, around) for service in services]
        self.prepare_mounts([one.spec for one in want], who)
        known = [service.name for service in self.config.services]
        steps = plan.steps(want, self.daemon.containers(self.labels), known)
        for orphan in steps.orphans:
            self._remove(orphan)
        fresh = {one.service.name for one in (*steps.create, *steps.replace, *steps.start)}
        waiting = Waiting(self.config, self.daemon, self._name, self.emit)
        for one in want:
            if one.service.name in fresh:
                waiting.depended(one.service)
                self._begin(one, steps)
        waiting.settled([one for one in want if one.service.name in fresh])
        groups = (steps.create, steps.replace, steps.start, steps.keep)
        return Started(*(tuple(one.service.name for one in group) for group in groups))

    def prepare_mounts(self, specs: Sequence[ContainerSpec], who: Account) -> None:
        """Network, volumes, folders; a synced folder that is missing is an error before anything starts."""
        for name in plan.networks(specs):
            self.daemon.ensure_network(name, self.labels)
        for name in plan.volumes(specs):
            self.daemon.ensure_volume(name, self.labels)
        synced = {who.absolute(mapping.remote) for mapping in self.config.sync}
        needed = synced & {mount.source for spec in specs for mount in spec.mounts}
        own = [folder for folder in plan.host_folders(specs, who) if folder not in synced]
        lines = [f"mkdir -p -- {_quote(folder)}" for folder in own]
        lines += [f"[ -d {_quote(folder)} ] || echo {_quote(folder)}" for folder in sorted(needed)]
        missing = _say(self.host, "\n".join(lines)) if lines else []
        if missing:
            raise DaemonError(
                f"{missing[0]} is not on the host, so it cannot be mounted",
                where=str(self.host.address),
                next_steps=["devbox sync"],
            )

    def _begin(self, one: Wanted, steps: plan.Steps) -> None:
        name = one.service.name
        if one in steps.start:
            self.daemon.start(one.spec.name)
            self._tell("services.started", f"{name}: started again", service=name)
            return
        replacing = one in steps.replace
        if replacing:
            self.daemon.stop(one.spec.name)
        self.daemon.remove(one.spec.name)
        self.daemon.start(self.daemon.create(one.spec))
        word = "replaced" if replacing else "created"
        self._tell(f"services.{word}", f"{name}: {word}", service=name, container=one.spec.name)

    def down(self, volumes: bool = False) -> list[str]:
        """Stop and remove this project's containers and network, and nothing else; what was removed."""
        mine = self.daemon.containers(self.labels)
        for container in mine:
            self._remove(container)
        self.daemon.remove_networks(self.labels)
        if volumes:
            self.daemon.remove_volumes(self.labels)
        return [model.service_of(container) for container in mine]

    def _remove(self, container: Container) -> None:
        self.daemon.stop(container.id)
        self.daemon.remove(container.id)
        name = model.service_of(container)
        self._tell("services.removed", f"{name}: removed", service=name)

    def rows(self, addresses: Mapping[str, Sequence[str]]) -> list[Row]:
        """The containers of the project, with the addresses at which their ports answer here."""
        found = []
        for one in self.daemon.containers(self.labels):
            service = model.service_of(one)
            here = tuple(addresses.get(service, ()))
            found.append(Row(service, one.state, one.health, one.image, one.name, here))
        return sorted(found, key=lambda row: row.service)

    def running(self, service: str) -> Container:
        """The running container of a service, or a `DaemonError` with the way out."""
        if self.config.service(service) is None:
            known = ", ".join(one.name for one in self.config.services) or "none"
            raise ConfigError(
                f"no service is called {service}", where=self.config.file, why=f"there are: {known}"
            )
        container = self.daemon.container(self._name(service))
        if container is None or not container.running:
            state = "does not run" if container is None else f"is {container.state}"
            raise DaemonError(
                f"service {service} {state}", next_steps=["devbox up", f"devbox logs {service}"]
            )
        return container

    def containers(self, names: Sequence[str]) -> list[Container]:
        """The containers of these services, running or not."""
        mine = self.daemon.containers(self.labels)
        return [one for one in mine if model.service_of(one) in names and model.ONE_OFF not in one.labels]

    def restart(self, service: str) -> None:
        """End the service's container and start it again, as it is."""
        self.daemon.stop(self._name(service))
        self.daemon.start(self._name(service))

    def _name(self, service: str) -> str:
        return model.container_name(self.config, self.user, service)

    def _tell(self, kind: str, text: str, **data: object) -> None:
        self.emit(Event(kind, text, data))


_EXAMPLE = 'devbox.yaml: services: {web: {command: "python -m app", ports: ["8000:8000"]}}'


def _say(host: Host, text: str) -> list[str]:
    lines: list[Line] = []
    for progress in host.run(Script(text)):
        if isinstance(progress, Finished):
            break
        lines.append(progress)
    return [line.text for line in lines if line.stream is Stream.OUT]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
