"""The whole road on a rehearsal host: what the settings say, and nothing else, leads to the running code."""

from __future__ import annotations

import http.client
import json
import shlex
import ssl
from pathlib import Path

import pytest

from devbox.pycharm.xml import Node
from tests.pycharm import eye
from tests.pycharm.conftest import Stage
from tests.pycharm.eye import DockerServer, Settings, value
from tests.rehearsal import images, registry
from tests.rehearsal.hosts import RehearsalHost

pytestmark = pytest.mark.host

INTERPRETERS = ("docker", "compose", "ssh")


@pytest.fixture(scope="module", params=INTERPRETERS)
def bound(request: pytest.FixtureRequest, stage: Stage) -> tuple[str, Stage]:
    """The project bound to each kind of interpreter in turn."""
    stage.use(request.param)
    return request.param, stage


def program(word: str) -> str:
    """What the interpreter is asked to do: import a module that was just saved."""
    return f"import saved; print(saved.WORD == {word!r}, saved.__file__)"


def in_docker(settings: Settings, configuration: Node, jdk: Node, code: str, root: str) -> str:
    """As PyCharm runs it: the image of the interpreter with the mounts of the run configuration."""
    server = DockerServer.named(settings, settings.option(jdk, "dockerServerName"))
    options = eye.container(settings, configuration)
    image = settings.option(jdk, "tagToPull")
    words = [*server.words, "run", *options, "-w", root, image]
    return eye.output([*words, value(jdk, "homePath"), "-c", code])


def in_compose(settings: Settings, _configuration: Node, jdk: Node, code: str, root: str) -> str:
    """As PyCharm runs it: the service of the compose file, by the compose that its settings name."""
    server = DockerServer.named(settings, settings.option(jdk, "dockerServerName"))
    tools = settings.root(settings.options / "docker-tools.xml")
    files = next(node for node in jdk.walk() if node.get("name") == "configurationFiles")
    named = [settings.expand(one.get("value")) for one in files.walk() if one.get("value")]
    words = [settings.option(tools, "dockerComposePath"), *(word for one in named for word in ("-f", one))]
    words += ["run", "--rm", "-T", "-w", root, settings.option(jdk, "serviceName")]
    return eye.output([*words, value(jdk, "homePath"), "-c", code], env={**server.environment})


def over_ssh(settings: Settings, _configuration: Node, jdk: Node, code: str, root: str) -> str:
    """As PyCharm runs it: on the host, in the folder that the mapping names."""
    assert settings.option(jdk, "projectRootOnTarget") == root
    server = settings.first(settings.options / "webServers.xml", "webServer")
    assert settings.option(jdk, "webServerConfigId") == server.get("id")
    with eye.connected(settings) as client:
        words = shlex.join([value(jdk, "homePath"), "-c", code])
        _, out, err = client.exec_command(f"cd {shlex.quote(root)} && {words}")
        said = out.read().decode()
        assert said, err.read().decode()
        return said


RUNS = {"docker": in_docker, "compose": in_compose, "ssh": over_ssh}


def test_a_saved_file_is_seen_by_the_interpreter_of_the_run_configuration(bound: tuple[str, Stage]) -> None:
    kind, stage = bound
    settings = stage.settings
    word = f"just saved for {kind}"
    (settings.project / "saved.py").write_text(f"WORD = {word!r}\n")
    stage.devbox("sync")
    assert eye.read(settings, "saved.py") == (settings.project / "saved.py").read_bytes()
    configuration = settings.configuration("devbox service web")
    name = settings.option(configuration, "SDK_NAME")
    assert name == settings.project_sdk
    mapping = next(node for node in configuration.walk() if node.tag == "mapping")
    assert settings.expand(mapping.get("local-root")) == str(settings.project)
    root = mapping.get("remote-root") or ""
    said = RUNS[kind](settings, configuration, settings.sdk(name), program(word), root)
    assert said == f"True {root}/saved.py\n"


def test_the_version_is_that_of_the_interpreter_itself(bound: tuple[str, Stage]) -> None:
    kind, stage = bound
    settings = stage.settings
    jdk = settings.sdk(settings.project_sdk)
    configuration = settings.configuration("devbox service web")
    mapping = next(node for node in configuration.walk() if node.tag == "mapping")
    code = "import sys; print(sys.executable, 'Python %d.%d.%d' % sys.version_info[:3])"
    said = RUNS[kind](settings, configuration, jdk, code, mapping.get("remote-root") or "")
    assert said.split(maxsplit=1) == [value(jdk, "homePath"), value(jdk, "version") + "\n"]


def test_an_ssh_interpreter_is_there_whatever_the_project_is_bound_to(bound: tuple[str, Stage]) -> None:
    _, stage = bound
    table = stage.settings.root(stage.settings.options / "jdk.table.xml")
    kinds = [node.get("type") for node in table.walk() if node.tag == "targetEnvironmentConfiguration"]
    assert "ssh/web-deployment" in kinds


def test_nothing_is_stale_and_nothing_changes_again(bound: tuple[str, Stage]) -> None:
    _, stage = bound
    stage.devbox("pycharm", "--check")
    said = stage.devbox("pycharm", "--install")
    assert ("merged" in said, "written" in said, "removed" in said) == (False, False, False)


def test_the_older_form_leads_to_the_same_image_and_host(stage: Stage) -> None:
    stage.use("docker")
    stage.devbox("pycharm", "--install", "--pycharm", "2023.2")
    settings = stage.settings
    configuration = settings.configuration("devbox service web")
    older = settings.sdk(settings.project_sdk).find("additional")
    assert older is not None
    attributes = dict(older.attributes)
    image, path = attributes["DOCKER_IMAGE_NAME"], attributes["INTERPRETER_PATH"]
    assert value(settings.sdk(settings.project_sdk), "homePath") == f"docker://{image}/{path}"
    server = DockerServer.named(settings, attributes["DOCKER_ACCOUNT_NAME"])
    words = [
        *server.words,
        "run",
        "--rm",
        *eye.mounts(settings, configuration),
        image,
        path,
        "-c",
        "print('run')",
    ]
    assert eye.output(words) == "run\n"
    mappings = settings.first(settings.project / ".idea/remote-mappings.xml", "remote-mappings")
    table = settings.root(settings.options / "jdk.table.xml")
    known = {f"python@{one.get('value')}" for one in table.walk() if one.tag == "homePath"}
    assert mappings.get("server-id") in known
    stage.use("docker")
    assert not (settings.project / ".idea/remote-mappings.xml").exists()


def test_docker_answers_at_the_address_with_the_certificates(stage: Stage) -> None:
    settings = stage.settings
    name = settings.first(settings.options / "remote-servers.xml", "remote-server").get("name") or ""
    server = DockerServer.named(settings, name)
    context = ssl.create_default_context(cafile=str(server.certificates / "ca.pem"))
    context.load_cert_chain(server.certificates / "cert.pem", server.certificates / "key.pem")
    connection = http.client.HTTPSConnection(server.host, server.port, context=context)
    connection.request("GET", "/version")
    version = json.loads(connection.getresponse().read())["Version"]
    connection.close()
    assert version == stage.host.sh("docker version -f '{{.Server.Version}}'").strip()


def test_the_image_and_build_configurations_name_what_is_there(stage: Stage) -> None:
    settings = stage.settings
    build, image = settings.configuration("devbox build"), settings.configuration("devbox image")
    server = DockerServer.named(settings, build.get("server-name") or "")
    assert image.get("server-name") == build.get("server-name")
    dockerfile = settings.project / settings.option(build, "sourceFilePath")
    context = settings.project / settings.option(build, "contextFolderPath")
    tag = settings.option(build, "imageTag")
    eye.output([*server.words, "build", "-q", "-t", tag, "-f", str(dockerfile), str(context)])
    options = shlex.split(settings.option(image, "commandLineOptions"))
    words = [*server.words, "run", "--rm", *options, *eye.mounts(settings, image)]
    said = eye.output([*words, settings.option(image, "imageTag"), "python3", "web.py"])
    assert said == "hello\n"


def test_what_pycharm_uploads_and_what_sync_brings_meet_in_the_same_place(stage: Stage) -> None:
    (stage.settings.project / "web.py").write_text("print('uploaded')\n")
    eye.upload(stage.settings, "web.py")
    assert eye.read(stage.settings, "web.py") == b"print('uploaded')\n"
    (stage.settings.project / ".idea/workspace.xml").write_text("<project />")  # PyCharm's own, all the time
    stage.devbox("sync")  # adopts equal bytes: no conflict
    there = stage.host.sh("ls -a /home/dev/devbox/room/.idea").split()
    assert ("deployment.xml" in there, "workspace.xml" in there) == (True, False)


def test_the_helper_image_is_pulled_ahead_where_a_registry_is_reached(stage: Stage) -> None:
    host = stage.host
    assert "busybox" not in stage.use("ssh")  # only container interpreters need it
    assert "busybox:latest is not on the host and could not be pulled" in stage.use("docker")
    host.shell("tee", "/root/registry.py", stdin=Path(registry.__file__).read_bytes())
    mounted = "-v /root/registry.py:/registry.py:ro"
    start = f"docker run -d --name registry --network host {mounted} {images.PYTHON_IMAGE}"
    host.sh(f"{start} python3 /registry.py 5000 busybox")
    host.sh("""echo '{"registry-mirrors": ["http://127.0.0.1:5000"]}' > /etc/docker/daemon.json""")
    host.sh("systemctl reload docker")
    try:
        _await_port(host, 5000)
        assert "busybox" not in stage.devbox("pycharm", "--install")
        assert host.sh("docker image inspect -f '{{.Architecture}}' busybox:latest").strip()
    finally:
        host.sh("rm /etc/docker/daemon.json; docker rm -f registry; systemctl reload docker")


def _await_port(host: RehearsalHost, port: int) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
    for _ in range(100):
        if not host.sh(f'python3 -c "{code}" 2>&1 || true').strip():
            return
    raise AssertionError(f"nothing listens on {port}: {host.sh('docker logs registry 2>&1')}")
