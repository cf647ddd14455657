"""Bad luck on the way, through the real command line on real hosts: cut links, missing Docker."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.rehearsal.hosts import RehearsalHost, Wish
from tests.rehearsal.proxy import Proxy
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

CONFIG = """
name: unlucky
host: {host}
docker: {{endpoint: ssh}}
build: {{args: {{PYTHON_IMAGE: "{python}"}}}}
sync: [{{local: ., remote: ~/devbox/unlucky}}]
"""
APP = "import time\nprint('here', flush=True)\ntime.sleep(99)\n"
DOCKERFILE = """\
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY app.py /app.py
RUN echo begun; sleep 4.713; echo done >/mark
"""


def project(terminal: Terminal) -> None:
    terminal.folder = terminal.home.parent / "unlucky"
    terminal.folder.mkdir()
    text = CONFIG.format(host=terminal.host, python=terminal.python_image)
    (terminal.folder / "devbox.yaml").write_text(text)
    (terminal.folder / "Dockerfile.dev").write_text(DOCKERFILE)
    (terminal.folder / "app.py").write_text(APP)


@pytest.fixture
def road(
    terminal: Terminal, rehearsal_host: RehearsalHost, proxy_factory: Callable[..., Proxy]
) -> tuple[Terminal, Proxy]:
    """A terminal whose way to the host can be cut."""
    rehearsal_host.sh("usermod -aG docker dev")
    proxy = proxy_factory((rehearsal_host.address, 22))
    config = terminal.home / "ssh_config"
    near = f"  HostName 127.0.0.1\n  Port {proxy.port}\n  HostKeyAlias {rehearsal_host.address}"
    config.write_text(config.read_text().replace(f"  HostName {rehearsal_host.address}", near))
    project(terminal)
    return terminal, proxy


def test_a_cut_in_the_middle_of_a_build_and_the_next_run_converges(
    road: tuple[Terminal, Proxy], rehearsal_host: RehearsalHost
) -> None:
    terminal, proxy = road
    rehearsal_host.sh("docker image rm -f unlucky-dev; docker builder prune -af", check=False)
    running = terminal.start("build")
    _await_line(running, "| begun")
    proxy.refuse()
    proxy.cut()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 1, (out, err)
    assert "error: " in err
    assert "next: " in err
    assert "Traceback" not in err
    _until(lambda: "sleep 4.713" not in rehearsal_host.sh("ps -eo args"))
    assert rehearsal_host.sh("docker image ls -q unlucky-dev") == ""
    proxy.refuse(False)
    assert terminal.devbox("build").stdout.split()[0] == "unlucky-dev"
    said = rehearsal_host.sh("docker run --rm unlucky-dev sh -c 'cat /mark /app.py'")
    assert said == f"done\n{APP}"


def test_up_stopped_and_cut_in_the_middle_converges(
    road: tuple[Terminal, Proxy], rehearsal_host: RehearsalHost
) -> None:
    terminal, proxy = road
    with (terminal.folder / "devbox.yaml").open("a") as config:
        config.write("services: {web: {command: [python, /app.py]}}\n")
    rehearsal_host.sh("docker builder prune -af", check=False)
    stopped = terminal.start("up")
    _await_line(stopped, "| begun")
    stopped.send_signal(signal.SIGINT)
    _out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, err
    assert "Traceback" not in err

    cut = terminal.start("up")
    _await_line(cut, "| begun")
    proxy.cut()
    _out, err = cut.communicate(timeout=60)
    assert cut.returncode == 1, err
    assert "next: devbox build" in err
    assert rehearsal_host.sh("docker ps -aq --filter label=devbox.project=unlucky") == ""

    try:
        assert "created web" in terminal.devbox("up").stdout
        _until(lambda: rehearsal_host.sh("docker logs dev.unlucky-web-1") == "here\n")
    finally:
        terminal.devbox("down")


def test_two_at_once_make_one_of_each(road: tuple[Terminal, Proxy], rehearsal_host: RehearsalHost) -> None:
    terminal, _ = road
    with (terminal.folder / "devbox.yaml").open("a") as config:
        config.write("services: {web: {command: [python, /app.py]}}\n")
    both = [terminal.start("up"), terminal.start("up")]
    try:
        said = [running.communicate(timeout=120) for running in both]
        codes = [running.returncode for running in both]
        assert 0 in codes, said
        # Whoever comes while the other one syncs, or makes the container, is told so; who comes later does
        # the same work again.
        for code, (_out, err) in zip(codes, said, strict=True):
            told = "holds the lock" in err or "somebody else made dev.unlucky-web-1 at the same time" in err
            assert code == 0 or (code == 1 and told and "next: " in err), err
        assert rehearsal_host.sh("docker ps -a --format '{{.Names}} {{.State}}'").count("unlucky-web") == 1
        _until(lambda: rehearsal_host.sh("docker logs dev.unlucky-web-1") == "here\n")
    finally:
        terminal.devbox("down")


def test_no_docker_on_the_host(
    terminal: Terminal, rehearsal_factory: Callable[[Wish], RehearsalHost]
) -> None:
    host = rehearsal_factory(Wish("chain-bare", docker=False))
    terminal = replace(terminal, host=host.name)
    project(terminal)
    built = terminal.devbox("build", code=1).stderr
    assert "error: " in built
    assert "next: " in built
    with (terminal.folder / "devbox.yaml").open("a") as config:
        config.write("services: {web: {command: run}}\n")
    walked = terminal.devbox("doctor", code=1)
    assert "broken at dockerd runs: Docker is not installed" in walked.stdout
    assert f"fix: devbox init {host.name} --install" in walked.stderr
    terminal.devbox("sync")
    assert host.sh("cat /home/dev/devbox/unlucky/app.py") == APP


def test_no_sudo_is_needed_over_the_ssh_endpoint(
    terminal: Terminal, rehearsal_factory: Callable[[Wish], RehearsalHost]
) -> None:
    host = rehearsal_factory(Wish("chain-plain", sudo="none"))
    terminal = replace(terminal, host=host.name)
    project(terminal)
    refused = terminal.devbox("init", "--yes", code=1).stderr
    assert "usermod -aG docker dev" in refused
    host.sh("usermod -aG docker dev")
    terminal.devbox("init", "--yes")
    terminal.devbox("build")
    terminal.devbox("sync")
    assert "the chain holds" in terminal.devbox("doctor").stdout


def _await_line(running: subprocess.Popen[str], words: str) -> None:
    assert running.stderr is not None
    for line in running.stderr:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


def _until(probe: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.1)
