"""What PyCharm's files are made from, as values. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from devbox.config.model import Build, Config, Endpoint, Interpreter

TARGETS_SINCE = (2023, 3)
"""The first version whose remote interpreters are written in the targets form."""
DEBUG_PORT = 5678
USUAL_BRIDGE = "172.17.0.1"


@dataclass(frozen=True, slots=True)
class Ssh:
    """The host as SSH reaches it, aliases resolved. `key` is the identity file, "" for agent and config.

    `alias` is its name in ~/.ssh/config where only that leads to it (ProxyJump, ProxyCommand), else "".
    """

    user: str
    hostname: str
    port: int = 22
    key: str = ""
    alias: str = ""

    @property
    def host(self) -> str:
        """What the IDE, which reads ~/.ssh/config too, is told to connect to."""
        return self.alias or self.hostname

    @property
    def label(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"

    @property
    def descriptive(self) -> str:
        """The name the IDE makes for such a connection."""
        return f"{self.label} {'key' if self.key else 'agent'}"


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter as it answered itself: absolute path and version such as 3.12.3."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Folder:
    """One mapping, resolved: `local` is below the project ("" for all of it), `remote` absolute."""

    local: str
    remote: str
    container: str

    @property
    def macro(self) -> str:
        return f"$PROJECT_DIR$/{self.local}" if self.local else "$PROJECT_DIR$"


@dataclass(frozen=True, slots=True)
class Excluded:
    """What is not uploaded: `names` match at any depth, `folders` are paths below the project."""

    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    """The ignore rules that neither can say."""


@dataclass(frozen=True, slots=True)
class App:
    """How one service is started from the IDE. `kind`: module, script, django, flask, fastapi or pytest.

    `settings` is Django's settings file below the folder of manage.py.
    """

    name: str
    kind: str
    target: str
    arguments: str = ""
    host: str = ""
    port: str = ""
    application: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, str], ...] = ()
    """Published ports as (on the host, in the container)."""
    settings: str = ""
    env_file: str = ""
    user: str = ""
    network: str = ""
    """The Docker network in which its neighbours answer by name, "" when it has none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the files say. What could not be found out is `None` or empty, and is left out of them."""

    project: str
    root: str
    host: str
    ssh: Ssh
    folders: tuple[Folder, ...]
    image: str
    endpoint: Endpoint = Endpoint.TLS
    port: int = 2376
    certificates: str = ""
    interpreter: Interpreter = Interpreter.DOCKER
    container_python: Python | None = None
    host_python: Python | None = None
    owner: str = ""
    """uid:gid of the SSH user on the host: who owns what containers write."""
    neighbours: tuple[str, ...] = ()
    """The services of images of their own: what the apps need beside them."""
    bridge: str = USUAL_BRIDGE
    """Where containers reach the host: its address on Docker's default bridge."""
    excluded: Excluded = Excluded()
    apps: tuple[App, ...] = ()
    build: Build | None = None
    """`None` when the project has no Dockerfile."""
    compose_file: str = ""
    compose_service: str = ""
    iml: str = ""
    """The file of the IDE's module below the project, which may have been there under another name."""
    tests: str = ""
    """The folder of the tests below the project, "" when there is none."""
    home: str = ""
    """The local home, which the IDE writes as $USER_HOME$."""
    docker_cli: str = ""
    compose_cli: str = ""
    upload: bool = False
    version: tuple[int, int] = (2024, 1)

    @property
    def label(self) -> str:
        """The name of everything of ours in the IDE: project and host."""
        return f"{self.project}@{self.host.rpartition('@')[2]}"

    @property
    def destination(self) -> str:
        """The host as the ssh command takes it: with a port only as a URL."""
        with_port = re.fullmatch(r"(?:[^@/]+@)?(?:[^@:/]+|\[[^\]]+\]):\d+", self.host)
        return f"ssh://{self.host}" if with_port else self.host

    @property
    def module(self) -> str:
        """The name of the IDE's module."""
        return PurePosixPath(self.iml).stem

    @property
    def targets(self) -> bool:
        """Whether interpreters are written in the targets form (2023.3 and later)."""
        return self.version >= TARGETS_SINCE

    @property
    def tagged(self) -> str:
        """The image with its tag written out."""
        return self.image if ":" in self.image.rpartition("/")[2] else f"{self.image}:latest"

    @property
    def api_url(self) -> str:
        """The daemon's address in the form the IDE writes for a connection with certificates."""
        return f"https://{self.ssh.hostname}:{self.port}"

    @property
    def over_ssh(self) -> bool:
        """Whether the IDE reaches the daemon through SSH (it cannot use a tunnel of ours)."""
        return self.endpoint is not Endpoint.TLS

    @property
    def container_sdk(self) -> str:
        """The container interpreter's name as the IDE forms it; "" when it is not known.

        The IDE tells equal names apart by a number in parentheses; ours says which project and host.
        """
        composed = self.interpreter is Interpreter.COMPOSE
        if self.container_python is None or self.interpreter is Interpreter.SSH:
            return ""
        if composed and not self.compose_service:
            return ""
        kind = f"Docker Compose ({self.compose_service})" if composed else f"Docker ({self.tagged})"
        return f"Remote Python {self.container_python.version} {kind} ({self.label})"

    @property
    def ssh_sdk(self) -> str:
        """The SSH interpreter's name as the IDE forms it; "" when it is not known."""
        if self.host_python is None:
            return ""
        where = f"sftp://{self.ssh.label}{self.host_python.path}"
        return f"Remote Python {self.host_python.version} ({where}) ({self.label})"

    @property
    def sdk(self) -> str:
        """The interpreter that the project is bound to."""
        return self.ssh_sdk if self.interpreter is Interpreter.SSH else self.container_sdk

    @property
    def django(self) -> App | None:
        """The service by which the IDE knows that this is a Django project."""
        return next((app for app in self.apps if app.kind == "django"), None)

    @property
    def network(self) -> str:
        """The Docker network of the services that talk to each other, "" when none does."""
        return next((app.network for app in self.apps if app.network not in ("", "host")), "")

    @property
    def in_container(self) -> bool:
        return self.interpreter is Interpreter.DOCKER

    def remote_of(self, folder: Folder) -> str:
        """Where the bound interpreter sees the folder."""
        return folder.remote if self.interpreter is Interpreter.SSH else folder.container

    def identifier(self, what: str) -> str:
        """A stable id: the same for everybody who works on this project with this host."""
        name = "\0".join(("devbox", self.host.rpartition("@")[2], self.project, what))
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))

    def collapse(self, path: str) -> str:
        """A local path with the home written as the IDE's macro."""
        home = self.home.rstrip("/")
        below = home and (path == home or path.startswith(home + "/"))
        return "$USER_HOME$" + path[len(home) :] if below else path


def expand_home(remote: str, home: str) -> str:
    """A mapping's remote folder as an absolute path; `home` is the SSH user's on the host."""
    return str(PurePosixPath(home) / remote[2:]) if remote.startswith("~/") else remote


def folders(config: Config, home: str) -> tuple[Folder, ...]:
    """The config's mappings with everything resolved."""
    return tuple(
        Folder(below(one.local), expand_home(one.remote, home), one.container.rstrip("/") or "/")
        for one in config.sync
    )


def below(local: str) -> str:
    """A mapping's local folder as a path below the project, "" for all of it."""
    path = str(PurePosixPath(local))
    return "" if path == "." else path
