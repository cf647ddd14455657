"""The printed tunnels, walked: from a container back to the debug server here, and to what PyCharm starts."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.pycharm import eye
from tests.pycharm.conftest import YAML, Stage
from tests.pycharm.eye import DockerServer, value
from tests.pycharm.ways import fetch, tunnel
from tests.rehearsal import images

pytestmark = pytest.mark.host

SSHD = "/etc/ssh/sshd_config.d/devbox-test.conf"


@pytest.fixture
def gateway_ports(stage: Stage) -> Iterator[None]:
    """What the output says that the host's sshd needs."""
    stage.host.sh(f"echo 'GatewayPorts clientspecified' > {SSHD} && systemctl reload ssh")
    yield
    stage.host.sh(f"rm {SSHD} && systemctl reload ssh")


@pytest.mark.usefixtures("gateway_ports")
def test_a_container_reaches_the_debug_server_by_the_printed_tunnel_and_line(stage: Stage) -> None:
    debug = json.loads(stage.devbox("pycharm", "--json"))["debug"]
    settings = stage.settings
    server = settings.configuration("devbox debug server")
    address = re.search(r"settrace\('([\d.]+)', port=(\d+)", debug["code"])
    assert address is not None
    assert settings.option(server, "PORT") == address[2]
    assert f" inet {address[1]}/" in stage.host.sh("ip -4 -o addr show docker0")
    code = f"import socket; socket.create_connection(({address[1]!r}, {address[2]})).sendall(b'here')"
    docker = DockerServer.named(settings, settings.configuration("devbox image").get("server-name") or "")
    here = settings.option(server, "HOST"), int(address[2])
    with socket.create_server(here) as listener, tunnel(stage, debug["tunnel"]):
        eye.output([*docker.words, "run", "--rm", "room-dev", "python3", "-c", code])
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4) == b"here"


def test_the_debug_server_maps_paths_as_the_service_does(stage: Stage) -> None:
    def mappings(name: str) -> list[tuple[tuple[str, str], ...]]:
        nodes = stage.settings.configuration(name).walk()
        return [node.attributes for node in nodes if node.tag == "mapping"]

    assert mappings("devbox debug server") == mappings("devbox service web") != []


PORT = 18765
SERVE = """\
import http.server, json, os, socket

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open(os.path.join(os.environ["HOME"], "note"), "w").close()
        said = {"greeting": os.environ["GREETING"], "database": socket.gethostbyname("database")}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

http.server.HTTPServer(("", 8000), Answer).serve_forever()
"""
SERVICES = f"""\
services:
  web: {{command: python -m serve, ports: ["{PORT}:8000"], env_file: .env}}
  database: {{image: "{images.PYTHON_IMAGE}", command: sleep 1000, mount: false}}
"""


@pytest.fixture
def neighbours(stage: Stage) -> Iterator[None]:
    """A service that needs its env file, a HOME and another service, which `devbox up` runs."""
    project = stage.settings.project
    (project / "serve.py").write_text(SERVE)
    (project / ".env").write_text("GREETING=from the env file\n")
    (project / "devbox.yaml").write_text(YAML.partition("services:")[0] + SERVICES)
    stage.devbox("up", "database")
    stage.devbox("pycharm", "--install")
    yield
    stage.devbox("down")
    (project / "devbox.yaml").write_text(YAML)
    stage.devbox("pycharm", "--install")


@contextlib.contextmanager
def started(stage: Stage, name: str) -> Iterator[None]:
    """The container that PyCharm makes of a run configuration, while it runs."""
    settings = stage.settings
    configuration = settings.configuration(name)
    jdk = settings.sdk(settings.option(configuration, "SDK_NAME"))
    docker = DockerServer.named(settings, settings.option(jdk, "dockerServerName")).words
    module = settings.option(configuration, "SCRIPT_NAME")
    options = eye.container(settings, configuration)
    image = settings.option(jdk, "tagToPull")
    words = [*docker, "run", "-d", *options, "-w", "/app", image, value(jdk, "homePath"), "-m", module]
    container = eye.output(words).strip()
    try:
        yield
    finally:
        eye.output([*docker, "rm", "-f", container])


@pytest.mark.usefixtures("neighbours")
def test_what_pycharm_starts_has_its_neighbours_and_is_reached_by_the_printed_tunnel(stage: Stage) -> None:
    way = json.loads(stage.devbox("pycharm", "--json"))["reach"]
    with started(stage, "devbox service web"), tunnel(stage, way):
        said = json.loads(fetch(f"http://127.0.0.1:{PORT}/"))
    assert said["greeting"] == "from the env file"
    name = stage.host.sh("docker ps --filter label=devbox.service=database --format '{{.Names}}'").strip()
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    assert said["database"] == stage.host.sh(f"docker inspect -f '{address}' {name}").strip()
