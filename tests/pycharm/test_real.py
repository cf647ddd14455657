"""The whole road on a rehearsal host: what the settings say, and nothing else, leads to the running code."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import paramiko
import pytest

from devbox.pycharm.xml import Node, parse
from tests.rehearsal import hosts, images

pytestmark = pytest.mark.host

TOP = Path(__file__).resolve().parents[2]
DOCKERFILE = f'FROM {images.PYTHON_IMAGE}\nWORKDIR /app\nCMD ["python3"]\n'


@dataclass
class Settings:
    """A PyCharm's eye: reads the files, expands the macros, knows nothing of devbox."""

    project: Path
    options: Path
    home: Path

    def root(self, path: Path) -> Node:
        return parse(path.read_bytes()).root

    def first(self, path: Path, tag: str) -> Node:
        return next(node for node in self.root(path).walk() if node.tag == tag)

    def expand(self, value: str) -> str:
        return value.replace("$USER_HOME$", str(self.home)).replace("$PROJECT_DIR$", str(self.project))

    def option(self, node: Node, name: str) -> str:
        found = next(one for one in node.walk() if one.tag == "option" and one.get("name") == name)
        return self.expand(found.get("value") or "")

    def configuration(self, name: str) -> Node:
        return self.first(self.project / ".run" / f"{name}.run.xml", "configuration")


@dataclass
class Stage:
    """A prepared, built, synced project and the settings written for it."""

    host: hosts.RehearsalHost
    settings: Settings
    environment: dict[str, str]

    def devbox(self, *words: str) -> str:
        argv = [sys.executable, "-m", "devbox", *words]
        done = subprocess.run(
            argv, cwd=self.settings.project, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def stage(bench: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Everything up to the settings, done by the real command line on a host of its own."""
    tmp = tmp_path_factory.mktemp("pycharm")
    project, home = tmp / "code", tmp / "home"
    options = home / ".config/JetBrains/PyCharm2024.1/options"
    project.mkdir()
    options.mkdir(parents=True)
    hosts.down("pycharm")
    host = hosts.up(hosts.Wish("pycharm"))
    ssh_config = tmp / "ssh_config"
    ssh_config.write_text(hosts.ssh_config())
    (project / "Dockerfile.dev").write_text(DOCKERFILE)
    (project / "web.py").write_text("print('hello')\n")
    (project / "devbox.yaml").write_text(
        'name: room\nhost: pycharm\nservices:\n  web: {command: "python -m web", ports: ["8000:8000"]}\n'
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TOP),
        "HOME": str(home),
        "DEVBOX_SSH_CONFIG": str(ssh_config),
    }
    made = Stage(host, Settings(project, options, home), environment)
    made.devbox("init", "--yes")
    made.devbox("build")
    made.devbox("sync")
    made.devbox("pycharm", "--install")
    yield made
    hosts.down(host.name)


def docker_words(settings: Settings) -> list[str]:
    """The Docker CLI with what remote-servers.xml says."""
    server = settings.first(settings.options / "remote-servers.xml", "remote-server")
    folder = Path(settings.option(server, "certificatesPath"))
    address = urlsplit(settings.option(server, "apiUrl"))
    words = ["docker", "--host", f"tcp://{address.netloc}", "--tlsverify"]
    for option, name in (("tlscacert", "ca.pem"), ("tlscert", "cert.pem"), ("tlskey", "key.pem")):
        words += [f"--{option}", str(folder / name)]
    return words


def sftp(settings: Settings) -> tuple[paramiko.SSHClient, paramiko.SFTPClient]:
    """Connected as webServers.xml and sshConfigs.xml say, through the server that deployment.xml names."""
    published = settings.first(settings.project / ".idea/deployment.xml", "component")
    servers = settings.root(settings.project / ".idea/webServers.xml")
    server = next(
        node
        for node in servers.walk()
        if node.tag == "webServer" and node.get("name") == published.get("serverName")
    )
    transfer = next(node for node in server.walk() if node.tag == "fileTransfer")
    configs = settings.root(settings.project / ".idea/sshConfigs.xml")
    config = next(node for node in configs.walk() if node.get("id") == transfer.get("sshConfigId"))
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.WarningPolicy())
    with pytest.warns(UserWarning, match="Unknown"):
        client.connect(
            str(config.get("host")),
            int(config.get("port") or 0),
            str(config.get("username")),
            key_filename=settings.expand(config.get("keyPath") or ""),
            allow_agent=False,
            look_for_keys=False,
        )
    return client, client.open_sftp()


def upload(settings: Settings, name: str) -> None:
    """What PyCharm does on save: the file goes to its server, to where its mapping says."""
    mapping = settings.first(settings.project / ".idea/deployment.xml", "mapping")
    local = Path(settings.expand(mapping.get("local") or "")) / name
    client, files = sftp(settings)
    with client, files:
        files.put(str(local), f"{mapping.get('deploy')}/{name}")


def test_docker_answers_at_the_address_with_the_certificates(stage: Stage) -> None:
    settings = stage.settings
    server = settings.first(settings.options / "remote-servers.xml", "remote-server")
    address = urlsplit(settings.option(server, "apiUrl"))
    folder = Path(settings.option(server, "certificatesPath"))
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=context)
    connection.request("GET", "/version")
    version = json.loads(connection.getresponse().read())["Version"]
    connection.close()
    assert version == stage.host.sh("docker version -f '{{.Server.Version}}'").strip()


def test_a_saved_file_is_seen_by_the_interpreter_in_the_container(stage: Stage) -> None:
    settings = stage.settings
    (settings.project / "saved.py").write_text("WORD = 'just saved'\n")
    stage.devbox("sync")
    configuration = settings.configuration("devbox service web")
    table = settings.root(settings.options / "jdk.table.xml")
    name = settings.option(configuration, "SDK_NAME")
    jdk = next(node for node in table.walk() if node.tag == "jdk" and node.children[0].get("value") == name)
    interpreter = jdk.children[3].get("value") or ""
    server = settings.first(settings.options / "remote-servers.xml", "remote-server")
    assert settings.option(jdk, "dockerServerName") == server.get("name")
    words = [*docker_words(settings), "run", *shlex.split(settings.option(configuration, "runCliOptions"))]
    for volume in (node for node in configuration.walk() if node.tag == "DockerVolumeBindingImpl"):
        words += ["-v", f"{settings.option(volume, 'hostPath')}:{settings.option(volume, 'containerPath')}"]
    mapping = next(node for node in configuration.walk() if node.tag == "mapping")
    assert settings.expand(mapping.get("local-root") or "") == str(settings.project)
    code = f"import sys; sys.path.insert(0, {mapping.get('remote-root')!r}); import saved; print(saved.WORD)"
    done = subprocess.run(
        [*words, settings.option(jdk, "tagToPull"), interpreter, "-c", code], capture_output=True, text=True
    )
    assert done.stdout == "just saved\n", done.stderr


def test_what_pycharm_uploads_and_what_sync_brings_meet_in_the_same_place(stage: Stage) -> None:
    settings = stage.settings
    mapping = settings.first(settings.project / ".idea/deployment.xml", "mapping")
    (settings.project / "web.py").write_text("print('uploaded')\n")
    upload(settings, "web.py")
    client, files = sftp(settings)
    with client, files, files.open(f"{mapping.get('deploy')}/web.py") as remote:
        assert remote.read() == b"print('uploaded')\n"
    stage.devbox("sync")  # adopts equal bytes: no conflict


def test_doctor_warns_of_two_ways_of_syncing_at_once(stage: Stage) -> None:
    stage.devbox("pycharm", "--upload")
    argv = [sys.executable, "-m", "devbox", "sync", "--watch"]
    watching = subprocess.Popen(argv, cwd=stage.settings.project, env=stage.environment)
    try:
        verdicts = (_both_ways(stage) for _ in range(60) if watching.poll() is None)
        assert "warning" in verdicts  # as soon as it listens
    finally:
        watching.terminate()
        watching.wait()
    assert _both_ways(stage) == "ok"
    stage.devbox("pycharm")


def _both_ways(stage: Stage) -> str:
    argv = [sys.executable, "-m", "devbox", "doctor", "--json"]
    done = subprocess.run(
        argv, cwd=stage.settings.project, env=stage.environment, capture_output=True, text=True
    )
    found = {check["name"]: check["verdict"] for check in json.loads(done.stdout)["checks"]}
    return str(found["one way of syncing"])


def test_the_ssh_interpreter_is_the_hosts_and_runs_there(stage: Stage) -> None:
    settings = stage.settings
    table = settings.root(settings.options / "jdk.table.xml")
    jdk = next(
        node
        for node in table.walk()
        if node.tag == "jdk" and "sftp://" in (node.children[0].get("value") or "")
    )
    path, version = jdk.children[3].get("value") or "", jdk.children[2].get("value")
    server = settings.first(settings.options / "webServers.xml", "webServer")
    assert settings.option(jdk, "webServerConfigId") == server.get("id")
    client, files = sftp(settings)
    with client, files:
        root = settings.option(jdk, "projectRootOnTarget")
        _, out, _ = client.exec_command(
            f"cd {shlex.quote(root)} && {shlex.quote(path)} --version && ls web.py"
        )
        assert out.read().decode().splitlines() == [version, "web.py"]


def test_nothing_is_stale_and_nothing_changes_again(stage: Stage) -> None:
    stage.devbox("pycharm", "--check")
    assert "merged" not in stage.devbox("pycharm", "--install")


def test_another_python_in_the_image_is_noticed(stage: Stage) -> None:
    dockerfile = stage.settings.project / "Dockerfile.dev"
    dockerfile.write_text(
        DOCKERFILE + "RUN python3 -m venv --without-pip /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
    )
    stage.devbox("build")
    argv = [sys.executable, "-m", "devbox", "pycharm", "--check"]
    done = subprocess.run(
        argv, cwd=stage.settings.project, env=stage.environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "image interpreter" in done.stdout
    assert "/opt/venv/bin/python3" in done.stderr
    stage.devbox("pycharm", "--install")
    assert "/opt/venv/bin/python3" in (stage.settings.options / "jdk.table.xml").read_text()
