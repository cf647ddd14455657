"""Putting together what the files say, and saying what is missing in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devbox.config.model import Config, Endpoint, Interpreter, Service
from devbox.pycharm.exclusions import excluded
from devbox.pycharm.facts import Answer, Local
from devbox.pycharm.model import DEBUG_PORT, USUAL_BRIDGE, Facts, Ssh, folders
from devbox.pycharm.rules import app_of, has_neighbours, hidden


@dataclass(frozen=True, slots=True)
class Here:
    """What this machine and the command line say. `version` is PyCharm's."""

    ssh: Ssh
    certificates: str
    home: str
    upload: bool = False
    version: tuple[int, int] = (2024, 1)
    docker_cli: str = ""
    compose_cli: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    """The Docker network of each service, as `devbox up` names it."""


def assemble(config: Config, local: Local, answer: Answer, here: Here) -> Facts:
    """Everything the files say."""
    found = (
        app_of(service, local.sources, _network(config, service, here))
        for service in config.services
        if not service.image
    )
    return Facts(
        project=config.name,
        root=config.root,
        host=config.host,
        ssh=here.ssh,
        folders=folders(config, answer.home or usual_home(here.ssh.user)),
        image=config.image,
        endpoint=config.docker.endpoint,
        port=config.docker.port,
        certificates=here.certificates,
        interpreter=config.pycharm.interpreter,
        container_python=answer.container_python,
        host_python=answer.host_python,
        owner=answer.owner,
        bridge=answer.bridge or USUAL_BRIDGE,
        neighbours=tuple(service.name for service in config.services if service.image),
        excluded=excluded(local.ignored),
        apps=tuple(app for app in found if app is not None),
        build=config.build if local.has_dockerfile else None,
        compose_file=local.compose.file,
        compose_service=local.compose.service,
        iml=local.iml,
        tests=local.tests,
        home=here.home,
        docker_cli=here.docker_cli,
        compose_cli=here.compose_cli,
        upload=here.upload,
        version=here.version,
    )


def _network(config: Config, service: Service, here: Here) -> str:
    return here.networks.get(service.name, "") if has_neighbours(service, config.services) else ""


def usual_home(user: str) -> str:
    """Where a home usually is; only until the host has said where it really is."""
    return "/root" if user == "root" else f"/home/{user}"


def gaps(config: Config, local: Local, answer: Answer, facts: Facts) -> Iterator[str]:
    """What could not be written, and what makes it possible."""
    if not answer.home:
        yield f"the host was not reached: remote folders assume the home {usual_home(facts.ssh.user)}"
    if answer.host_python is None:
        yield "no SSH interpreter: no python3 on the host has answered"
    if facts.interpreter is not Interpreter.SSH and answer.container_python is None:
        yield f"the project has no interpreter yet: image {facts.tagged} has not answered (devbox build)"
    if facts.interpreter is Interpreter.COMPOSE and not facts.compose_service:
        lacks = f"{local.compose.file} names no service" if local.compose.file else "there is no compose file"
        yield f"pycharm.interpreter is compose, but {lacks}: the project has no interpreter"
    yield from _unmounted(local, facts)
    if facts.excluded.unsaid:
        rules = ", ".join(facts.excluded.unsaid)
        yield f"only devbox sync follows these ignore rules, PyCharm's upload cannot: {rules}"
    if facts.build and (names := hidden(facts.build.args)):
        yield f"build: {', '.join(names)}: named like a secret, so in no file"
    if not config.services:
        yield f"no configuration runs the app: {config.file or 'devbox.yaml'} has no services"
    for service in config.services:
        yield from _unsaid(service, local)


def _unsaid(service: Service, local: Local) -> Iterator[str]:
    """What of a service its run configuration does not say."""
    if not service.image and app_of(service, local.sources) is None:
        yield f"service {service.name}: its command is not one Python process, so it has no configuration"
    if names := hidden(service.environment):
        yield f"service {service.name}: {', '.join(names)}: named like a secret, so in no file (use env_file)"
    if len(service.env_file) > 1:
        yield f"service {service.name}: add its env files in PyCharm: {', '.join(service.env_file)}"


def _unmounted(local: Local, facts: Facts) -> Iterator[str]:
    """The folders that the compose service does not mount from where sync puts them.

    Compose resolves relative sources on this machine, where the remote daemon does not look.
    """
    if facts.interpreter is not Interpreter.COMPOSE or not facts.compose_service:
        return
    if any("$" in mount for mount in local.compose.mounts):
        return  # only compose knows what the variables hold
    for folder in facts.folders:
        mount = f"{folder.remote}:{folder.container}"
        if mount not in local.compose.mounts:
            yield (
                f"service {facts.compose_service} in {facts.compose_file} does not mount the synced code: "
                f"add  - {mount}  to its volumes"
            )


def remarks(facts: Facts) -> Iterator[str]:
    """What the user should know about what was written."""
    if facts.container_sdk:
        yield "the container interpreter's entry is experimental: no real one was there to compare with"
        yield "the SSH interpreter beside it is the one to fall back to"
    if facts.network and facts.in_container:
        first = " ".join(("devbox up", *facts.neighbours))
        yield f"run configurations join the network {facts.network}, where other services answer: {first}"
    if facts.ssh.alias:
        yield f"PyCharm reaches the host as {facts.ssh.alias}: the way to it stands in ~/.ssh/config only"
    if facts.endpoint is Endpoint.TLS_TUNNEL:
        yield "PyCharm cannot use devbox's tunnel: its Docker connection goes through SSH"


def reaching(facts: Facts) -> str:
    """The tunnel to the ports of what PyCharm starts, which are on the host's loopback; "" without ports."""
    on_host = facts.interpreter is Interpreter.SSH
    pairs = (pair for app in facts.apps for pair in app.ports)
    ports = dict.fromkeys(inside if on_host else outside for outside, inside in pairs)
    forwards = " ".join(f"-L {port}:127.0.0.1:{port}" for port in ports)
    return f"ssh -N {forwards} {facts.destination}" if forwards else ""


def questions(facts: Facts) -> Iterator[str]:
    """What the IDE asks at first connect; none of it is stored by us."""
    yield f"whether to trust the SSH host key of {facts.ssh.hostname}: compare it with the one devbox showed"
    if facts.ssh.key:
        yield f"the passphrase of {facts.ssh.key}, if it has one"
    else:
        yield "nothing else, as long as your SSH agent holds the key"


@dataclass(frozen=True, slots=True)
class Debugging:
    """The way to PyCharm's debug server: the line for the code, the tunnel back, and what both need."""

    code: str
    tunnel: str
    needs: tuple[str, ...]


def debugging(facts: Facts) -> Debugging:
    """How code that PyCharm did not start reaches its debug server.

    A container reaches the host at the address of Docker's default bridge; sshd binds a tunnel to another
    address than the loopback only when it is told to (sshd_config(5), GatewayPorts).
    """
    on_host = facts.interpreter is Interpreter.SSH
    reach, port = "127.0.0.1" if on_host else facts.bridge, DEBUG_PORT
    package = "pydevd-pycharm where the code runs, in the version that 'devbox debug server' shows in PyCharm"
    sshd = (
        "'GatewayPorts clientspecified' in the host's sshd_config: without it containers do not get through"
    )
    return Debugging(
        f"import pydevd_pycharm; pydevd_pycharm.settrace('{reach}', port={port}, suspend=False)",
        f"ssh -N -R {reach}:{port}:127.0.0.1:{port} {facts.destination}",
        (package,) if on_host else (package, sshd),
    )
