"""A PyCharm's eye: reads the generated settings, expands the macros, and knows nothing of devbox."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import paramiko

from devbox.pycharm.xml import Node, parse


@dataclass(frozen=True)
class Settings:
    """The project's folder, the IDE's `options` folder, and the home that $USER_HOME$ means."""

    project: Path
    options: Path
    home: Path

    def root(self, path: Path) -> Node:
        return parse(path.read_bytes()).root

    def first(self, path: Path, tag: str) -> Node:
        return next(node for node in self.root(path).walk() if node.tag == tag)

    def expand(self, value: str | None) -> str:
        text = (value or "").replace("$USER_HOME$", str(self.home))
        return text.replace("$PROJECT_DIR$", str(self.project))

    def option(self, node: Node, name: str) -> str:
        found = next(one for one in node.walk() if one.tag == "option" and one.get("name") == name)
        return self.expand(found.get("value"))

    def configuration(self, name: str) -> Node:
        return self.first(self.project / ".run" / f"{name}.run.xml", "configuration")

    def sdk(self, name: str) -> Node:
        """The interpreter of that name, which a project or run configuration names."""
        table = self.root(self.options / "jdk.table.xml")
        return next(node for node in table.walk() if node.tag == "jdk" and value(node, "name") == name)

    @property
    def project_sdk(self) -> str:
        """What the project is bound to: misc.xml and the module agree."""
        manager = self.first(self.project / ".idea/misc.xml", "component")
        module = next((self.project / ".idea").glob("*.iml"))
        entries = [node for node in self.root(module).walk() if node.get("type") == "jdk"]
        assert [node.get("jdkName") for node in entries] == [manager.get("project-jdk-name")]
        return str(manager.get("project-jdk-name"))


def value(jdk: Node, tag: str) -> str:
    """`<name value=…/>`, `<homePath value=…/>` and the like of an interpreter."""
    found = jdk.find(tag)
    assert found is not None
    return found.get("value") or ""


@dataclass(frozen=True)
class DockerServer:
    """The Docker connection of that name in remote-servers.xml."""

    host: str
    port: int
    certificates: Path

    @classmethod
    def named(cls, settings: Settings, name: str) -> DockerServer:
        servers = settings.root(settings.options / "remote-servers.xml")
        server = next(node for node in servers.walk() if node.get("name") == name and node.children)
        address = urlsplit(settings.option(server, "apiUrl"))
        folder = Path(settings.option(server, "certificatesPath"))
        return cls(address.hostname or "", address.port or 0, folder)

    @property
    def words(self) -> list[str]:
        """The Docker CLI at that connection."""
        files = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
        named = [word for option, name in files.items() for word in (f"--{option}", self.certificates / name)]
        return ["docker", "--host", f"tcp://{self.host}:{self.port}", "--tlsverify", *map(str, named)]

    @property
    def environment(self) -> dict[str, str]:
        """The same for docker-compose."""
        return {
            "DOCKER_HOST": f"tcp://{self.host}:{self.port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.certificates),
        }


class _Trusted(paramiko.MissingHostKeyPolicy):
    """PyCharm shows an unknown host key and asks; the person says yes."""

    def missing_host_key(self, client: object, hostname: str, key: object) -> None:
        """Nothing is remembered."""


@contextmanager
def connected(settings: Settings) -> Iterator[paramiko.SSHClient]:
    """SSH as webServers.xml and sshConfigs.xml say, by the server that deployment.xml names."""
    name = settings.first(settings.project / ".idea/deployment.xml", "component").get("serverName")
    servers = settings.root(settings.project / ".idea/webServers.xml")
    server = next(node for node in servers.walk() if node.tag == "webServer" and node.get("name") == name)
    transfer = next(node for node in server.walk() if node.tag == "fileTransfer")
    configs = settings.root(settings.project / ".idea/sshConfigs.xml")
    config = next(node for node in configs.walk() if node.get("id") == transfer.get("sshConfigId"))
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_Trusted())
    with client:
        client.connect(
            str(config.get("host")),
            int(config.get("port") or 0),
            str(config.get("username")),
            key_filename=settings.expand(config.get("keyPath")),
            allow_agent=False,
            look_for_keys=False,
        )
        yield client


def mounts(settings: Settings, configuration: Node) -> list[str]:
    """The mounts that a run configuration names, as the Docker CLI takes them."""
    bindings = (node for node in configuration.walk() if node.tag == "DockerVolumeBindingImpl")
    paths = ((settings.option(one, "hostPath"), settings.option(one, "containerPath")) for one in bindings)
    return [word for outside, inside in paths for word in ("-v", f"{outside}:{inside}")]


def container(settings: Settings, configuration: Node) -> list[str]:
    """Everything that a run configuration says of its container, as the Docker CLI takes it."""
    words = shlex.split(settings.option(configuration, "runCliOptions"))
    words += ["--network", settings.option(configuration, "networkMode"), *mounts(settings, configuration)]
    for binding in (node for node in configuration.walk() if node.tag == "DockerPortBindingImpl"):
        ends = (settings.option(binding, name) for name in ("hostIp", "hostPort", "containerPort"))
        words += ["-p", ":".join(ends)]
    for variable in (node for node in configuration.walk() if node.tag == "env"):
        words += ["-e", f"{variable.get('name')}={variable.get('value')}"]
    file = settings.option(configuration, "ENV_FILES")
    return words + (["--env-file", file] if file else [])


def deployed(settings: Settings, name: str) -> str:
    """Where deployment.xml says that a file of the project is on the host."""
    mapping = settings.first(settings.project / ".idea/deployment.xml", "mapping")
    below = (settings.project / name).relative_to(settings.expand(mapping.get("local")))
    return f"{mapping.get('deploy')}/{below}"


def upload(settings: Settings, name: str) -> None:
    """What PyCharm does on save: the file goes to its server, to where its mapping says."""
    with connected(settings) as client, client.open_sftp() as files:
        files.put(str(settings.project / name), deployed(settings, name))


def read(settings: Settings, name: str) -> bytes:
    """The file as it is on the host."""
    place = deployed(settings, name)
    with connected(settings) as client, client.open_sftp() as files, files.open(place) as remote:
        return remote.read()


def output(words: list[str], **more: object) -> str:
    """What a command prints; its stderr when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)
