"""The printed way to the debug server, walked: from a container on the host back to a listener here."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.pycharm import eye
from tests.pycharm.conftest import Stage
from tests.pycharm.eye import DockerServer

pytestmark = pytest.mark.host

SSHD = "/etc/ssh/sshd_config.d/devbox-test.conf"


@pytest.fixture
def gateway_ports(stage: Stage) -> Iterator[None]:
    """What the output says that the host's sshd needs."""
    stage.host.sh(f"echo 'GatewayPorts clientspecified' > {SSHD} && systemctl reload ssh")
    yield
    stage.host.sh(f"rm {SSHD} && systemctl reload ssh")


@contextlib.contextmanager
def tunnel(stage: Stage, command: str) -> Iterator[None]:
    """The printed command, as it was printed, by an ssh that knows the rehearsal's hosts."""
    words = shlex.split(command)
    more = ["-F", stage.environment["DEVBOX_SSH_CONFIG"], "-v", "-o", "ExitOnForwardFailure=yes"]
    with subprocess.Popen([words[0], *more, *words[1:]], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "remote forward success" in line:
                break
        assert process.poll() is None, "".join(said)
        yield
        process.terminate()


@pytest.mark.usefixtures("gateway_ports")
def test_a_container_reaches_the_debug_server_by_the_printed_tunnel_and_line(stage: Stage) -> None:
    debug = json.loads(stage.devbox("pycharm", "--json"))["debug"]
    settings = stage.settings
    server = settings.configuration("devbox debug server")
    address = re.search(r"settrace\('([\d.]+)', port=(\d+)", debug["code"])
    assert address is not None
    assert settings.option(server, "PORT") == address[2]
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
