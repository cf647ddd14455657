"""The Docker adapter against a real daemon, through SSH to its socket."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox import wiring
from devbox.adapters.docker.daemon import DockerDaemon
from devbox.config.model import Config, Docker, Endpoint
from devbox.config.runtime import Runtime
from devbox.errors import DaemonError, DaemonRefused
from devbox.ports.daemon import (
    Attached,
    ContainerSpec,
    ExecSpec,
    Happening,
    Mount,
    Probe,
    Published,
)
from tests.rehearsal.hosts import RehearsalHost

pytestmark = pytest.mark.host

IMAGE = "devbox-rehearsal/python:3.12-slim"
LABELS = {"devbox.test": "adapter"}
STAY = ("sleep", "600")


@pytest.fixture(scope="module")
def host(rehearsal_host: RehearsalHost) -> RehearsalHost:
    rehearsal_host.shell("usermod", "-aG", "docker", "dev")
    return rehearsal_host


@pytest.fixture
def daemon(host: RehearsalHost, ssh_config: Callable[[], Path]) -> Iterator[DockerDaemon]:
    ssh_config()
    config = Config("adapter", host=host.name, docker=Docker(Endpoint.SSH))
    with wiring.open_daemon(config) as opened:
        yield opened
        for container in opened.containers(LABELS):
            opened.remove(container.id)
        opened.remove_networks(LABELS)
        opened.remove_volumes(LABELS)


def spec(command: tuple[str, ...] = STAY, **more: object) -> ContainerSpec:
    name = f"adapter-{secrets.token_hex(4)}"
    return ContainerSpec(name=name, image=IMAGE, command=command, labels=LABELS, **more)  # type: ignore[arg-type]


def started(daemon: DockerDaemon, wanted: ContainerSpec) -> str:
    made = daemon.create(wanted)
    daemon.start(made)
    return made


def said(session: Attached) -> tuple[bytes, bytes]:
    pieces = list(session.output())
    session.close()
    out = b"".join(piece.data for piece in pieces if not piece.error)
    return out, b"".join(piece.data for piece in pieces if piece.error)


def test_engine_says_what_it_is(daemon: DockerDaemon, host: RehearsalHost) -> None:
    engine = daemon.engine()
    assert engine.version == host.shell("docker", "version", "--format", "{{.Server.Version}}").strip()
    assert engine.platform.startswith("linux/")
    assert tuple(map(int, engine.api.split("."))) >= (1, 41)


def test_a_life_of_a_container(daemon: DockerDaemon) -> None:
    quick = Runtime(stop_grace=1)
    wanted = spec(environment={"A": "1"}, user="4711:4712", working_dir="/tmp", runtime=quick)
    made = daemon.create(wanted)
    found = daemon.container(wanted.name)
    assert found is not None
    assert (found.state, found.running, found.labels["devbox.test"]) == ("created", False, "adapter")
    daemon.start(made)
    assert [one.state for one in daemon.containers(LABELS)] == ["running"]
    assert said(daemon.exec(made, ExecSpec(("sh", "-c", "id -u; id -g; pwd; echo $A"))))[0].split() == [
        b"4711", b"4712", b"/tmp", b"1",
    ]  # fmt: skip
    daemon.stop(made)
    assert daemon.container(made).running is False  # type: ignore[union-attr]
    daemon.remove(made)
    assert daemon.container(made) is None


def test_what_is_gone_already_may_be_stopped_and_removed(daemon: DockerDaemon) -> None:
    daemon.stop("never-was")
    daemon.remove("never-was")


def test_exit_code_of_a_finished_container(daemon: DockerDaemon) -> None:
    made = started(daemon, spec(("sh", "-c", "exit 42")))
    assert daemon.wait(made) == 42
    assert daemon.container(made).exit_code == 42  # type: ignore[union-attr]
    assert [one.exit_code for one in daemon.containers(LABELS)] == [42]


def test_a_missing_bind_source_is_an_error_and_is_not_made(daemon: DockerDaemon, host: RehearsalHost) -> None:
    with pytest.raises(DaemonError, match="the host has no such path") as stated:
        daemon.create(spec(mounts=(Mount("/app", "/home/dev/not-there"),)))
    assert "/home/dev/not-there" in str(stated.value)
    assert stated.value.next_steps == ("devbox sync   (brings the code to the host)",)
    assert host.shell("ls", "/home/dev/not-there", check=False) == ""


def test_a_missing_image_leads_to_build(daemon: DockerDaemon) -> None:
    with pytest.raises(DaemonError, match="there is no image nobody/nothing") as stated:
        daemon.create(ContainerSpec(name="", image="nobody/nothing"))
    assert stated.value.next_steps == ("devbox build",)


def test_a_name_taken_is_refused_in_the_daemons_words(daemon: DockerDaemon) -> None:
    wanted = spec()
    daemon.create(wanted)
    with pytest.raises(DaemonError, match="already in use"):
        daemon.create(wanted)


def test_health_is_seen(daemon: DockerDaemon) -> None:
    probe = Probe(("CMD-SHELL", "test -e /tmp/up"), 0.2, 2.0, 100, 0.0)
    made = started(daemon, spec(health=probe))
    assert daemon.container(made).health == "starting"  # type: ignore[union-attr]
    said(daemon.exec(made, ExecSpec(("touch", "/tmp/up"))))
    deadline = time.monotonic() + 20
    while daemon.container(made).health != "healthy" and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.1)
    assert [one.health for one in daemon.containers(LABELS)] == ["healthy"]


def test_ports_are_published_on_loopback_only(daemon: DockerDaemon) -> None:
    made = started(daemon, spec(ports=(Published(8000),)))
    (port,) = daemon.container(made).ports  # type: ignore[union-attr]
    assert (port.container, port.address) == (8000, "127.0.0.1")
    assert port.host > 0
    assert [one.ports for one in daemon.containers(LABELS)] == [(port,)]


def test_logs_tell_the_two_streams_apart(daemon: DockerDaemon) -> None:
    made = started(daemon, spec(("sh", "-c", "echo one; echo two >&2; echo three")))
    daemon.wait(made)
    with daemon.logs(made) as pieces:
        found = [(piece.data, piece.error) for piece in pieces]
    assert sorted(found) == [(b"one\n", False), (b"three\n", False), (b"two\n", True)]
    with daemon.logs(made, tail=1) as pieces:
        assert len(list(pieces)) == 1


def test_logs_are_followed_while_they_grow(daemon: DockerDaemon) -> None:
    made = started(daemon, spec(("sh", "-c", "echo begun; sleep 1; echo over")))
    with daemon.logs(made, follow=True) as pieces:
        assert next(pieces).data == b"begun\n"
        assert b"".join(piece.data for piece in pieces).endswith(b"over\n")


def test_exec_carries_both_streams_and_the_exit_code(daemon: DockerDaemon) -> None:
    made = started(daemon, spec())
    session = daemon.exec(made, ExecSpec(("sh", "-c", "echo out; echo err >&2; exit 7")))
    assert said(session) == (b"out\n", b"err\n")
    assert session.exit_code() == 7
    silent = daemon.exec(made, ExecSpec(("sh", "-c", "exec >&- 2>&-; sleep 1; exit 8")))
    assert (said(silent), silent.exit_code()) == ((b"", b""), 8)


def test_exec_takes_input_to_its_end(daemon: DockerDaemon) -> None:
    made = started(daemon, spec())
    session = daemon.exec(made, ExecSpec(("wc", "-c"), stdin=True))
    feeding = threading.Thread(target=lambda: (session.write(b"x" * 1_000_000), session.end_input()))
    feeding.start()
    assert said(session)[0].strip() == b"1000000"
    feeding.join()


def test_exec_with_a_terminal_has_the_size_it_was_given(daemon: DockerDaemon) -> None:
    made = started(daemon, spec())
    session = daemon.exec(made, ExecSpec(("sh",), tty=True, stdin=True))
    session.resize(33, 101)
    session.write(b"stty size; exit 3\n")
    assert b"33 101" in said(session)[0]
    assert session.exit_code() == 3


def test_attach_misses_nothing(daemon: DockerDaemon) -> None:
    made = daemon.create(spec(("sh", "-c", "echo first; cat; exit 5"), stdin=True))
    session = daemon.attach(made, tty=False)
    daemon.start(made)
    session.write(b"second\n")
    session.end_input()
    assert said(session)[0] == b"first\nsecond\n"
    assert session.exit_code() == 5


def test_events_tell_of_ours(daemon: DockerDaemon) -> None:
    with daemon.events(LABELS) as happenings:
        wanted = spec(("true",))
        daemon.wait(started(daemon, wanted))
        seen: list[Happening] = []
        for happening in happenings:
            seen.append(happening)
            if happening.action == "die":
                break
    assert [one.action for one in seen if one.action in ("create", "start", "die")] == [
        "create",
        "start",
        "die",
    ]
    assert {one.name for one in seen} == {wanted.name}


def test_networks_and_volumes_are_made_once_and_taken_by_label(daemon: DockerDaemon) -> None:
    for _ in range(2):
        daemon.ensure_network("adapter_default", LABELS)
        daemon.ensure_volume("adapter_data", LABELS)
    first = started(daemon, spec(network="adapter_default", aliases=("db",)))
    second = started(daemon, spec(network="adapter_default"))
    assert said(daemon.exec(second, ExecSpec(("getent", "hosts", "db"))))[0]
    daemon.remove(first)
    daemon.remove(second)
    assert daemon.remove_networks(LABELS) == ["adapter_default"]
    assert daemon.remove_volumes(LABELS) == ["adapter_data"]


def test_run_once_answers_or_fails_with_what_was_said(daemon: DockerDaemon) -> None:
    assert daemon.run_once(IMAGE, ["echo", "hello"]) == "hello\n"
    with pytest.raises(DaemonError, match="sh ended with 3") as stated:
        daemon.run_once(IMAGE, ["sh", "-c", "echo why >&2; exit 3"])
    assert "why" in stated.value.why


def test_a_refusal_keeps_the_daemons_status(daemon: DockerDaemon) -> None:
    with pytest.raises(DaemonRefused) as refused:
        daemon.start("never-was")
    assert refused.value.status == 404
    assert "No such container" in refused.value.why


def test_a_kept_connection_that_the_daemon_closed_is_made_anew(
    daemon: DockerDaemon, host: RehearsalHost
) -> None:
    assert daemon.image(IMAGE)
    host.shell("systemctl", "restart", "docker")
    assert daemon.image(IMAGE)
