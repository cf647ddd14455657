"""SIGKILL for the client, a cut link, a restarted dockerd, during each command: what is said; no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from devbox.services import guard
from tests.rehearsal.daemon import client
from tests.rehearsal.hosts import RehearsalHost
from tests.rehearsal.proxy import Proxy
from tests.services.shop import DOCKERFILE, Shop
from tests.services.test_window import Screen

pytestmark = pytest.mark.host


@pytest.fixture
def link(shop: Shop, rehearsal_host: RehearsalHost, proxy_factory: Callable[..., Proxy]) -> Iterator[Proxy]:
    """Everything goes through one SSH connection, and that through this."""
    rehearsal_host.sh("usermod -aG docker dev")
    proxy = proxy_factory((rehearsal_host.address, 22))
    config = shop.terminal.home / "ssh_config"
    before = config.read_text()
    near = f"  HostName 127.0.0.1\n  Port {proxy.port}\n  HostKeyAlias {rehearsal_host.address}"
    config.write_text(before.replace(f"  HostName {rehearsal_host.address}", near))
    file = shop.folder / "devbox.yaml"
    file.write_text(file.read_text() + "docker: {endpoint: ssh}\n")
    yield proxy
    proxy.delay = 0.0
    proxy.resume()
    config.write_text(before)


@pytest.fixture
def cut(link: Proxy) -> Callable[[], None]:
    return link.cut


def until(probe: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 30
    while not probe():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def said(running: subprocess.Popen[str], words: str) -> None:
    assert running.stdout is not None
    for line in running.stdout:
        if words in line:
            return
    raise AssertionError(f"never said {words!r}: {running.stderr.read() if running.stderr else ''}")


def stated(running: subprocess.Popen[str]) -> str:
    """It ends as a stated failure that names a next step; what it said."""
    _out, err = running.communicate(timeout=60)
    assert running.returncode == 1, err
    assert "error: " in err
    assert "next: " in err
    assert "Traceback" not in err
    return err


def kill(running: subprocess.Popen[str]) -> None:
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=30)


COMMANDS = (("exec", "other"), ("run", "--"))
BEGIN = (("exec", "web"), ("run", "--"))
ONE_OFFS = "docker ps -aq --filter label=devbox.one-off"


def test_a_command_ends_with_its_client(
    shop: Shop, rehearsal_host: RehearsalHost, cut: Callable[[], None]
) -> None:
    shop.terminal.devbox("up", "other")

    def begin(number: int, *words: str) -> subprocess.Popen[str]:
        running = shop.terminal.start(*words, "sh", "-c", f"echo begun; sleep {number}; true")
        said(running, "begun")
        return running

    def gone(number: int) -> bool:
        return f"sleep {number}" not in rehearsal_host.sh("ps -eo args")

    def await_end(number: int) -> None:
        until(lambda: gone(number), f"the client is gone, its command runs on: {number}")

    def cut_off(running: subprocess.Popen[str]) -> None:
        cut()
        stated(running)

    def interrupt(running: subprocess.Popen[str]) -> None:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
        assert running.returncode == 130

    # What a command leaves running on purpose stays, and the guard beside it goes home.
    left = (47011, 47012, 47013)
    for number in left:
        shop.terminal.devbox("exec", "other", "sh", "-c", f"sleep {number} >/dev/null 2>&1 &")
    until(lambda: guard.MARK not in rehearsal_host.sh("ps -eo args"), "a guard is still there")
    assert not [number for number in left if gone(number)]

    for number, end in ((47001, kill), (47002, cut_off), (47003, interrupt)):
        end(begin(number, "exec", "other"))
        await_end(number)
    for number, end in ((47004, kill), (47005, cut_off)):
        end(begin(number, "run", "--"))
        await_end(number)
        until(lambda: rehearsal_host.sh(ONE_OFFS) == "", "the one-off container is still there")
    shell = Screen(shop, "shell", "other")
    shell.press("sleep 47006\n")
    until(lambda: not gone(47006), "the shell does not listen")
    os.killpg(shell.process.pid, signal.SIGKILL)
    shell.close()
    await_end(47006)


def test_a_link_that_is_dead_and_does_not_say_so(
    shop: Shop, rehearsal_host: RehearsalHost, link: Proxy
) -> None:
    """The cable is out: nothing comes, nothing is refused, and TCP would wait for many minutes."""
    shop.terminal.devbox("up", "other")
    following = shop.terminal.start("logs", "-f", "other")
    said(following, "other says")
    commands = [shop.terminal.start(*words, "sh", "-c", "echo begun; sleep 47009") for words in COMMANDS]
    for command in commands:
        said(command, "begun")
    link.blackhole()
    for command in commands:
        stated(command)
    assert following.stderr is not None
    while "trying again" not in (line := following.stderr.readline()):
        assert line, "the follower ended"
    link.resume()
    until(lambda: "sleep 47009" not in rehearsal_host.sh("ps -eo args"), "a command runs on")
    until(lambda: rehearsal_host.sh(ONE_OFFS) == "", "the one-off container is still there")
    rehearsal_host.shell("docker", "restart", "-t", "1", f"dev.{shop.name}-other-1")
    said(following, "other says")
    kill(following)


def test_a_one_off_ends_with_a_client_that_never_knew_it_ran(
    shop: Shop, rehearsal_host: RehearsalHost, link: Proxy
) -> None:
    shop.terminal.devbox("up", "other")
    watch = "docker events --filter label=devbox.one-off --format {{.Action}}"
    with subprocess.Popen(
        [*client(), "exec", rehearsal_host.container, *watch.split()],
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        running = shop.terminal.start("run", "--", "sh", "-c", "exec sleep 47008")
        said(watching, "create")
        link.delay = 2.0  # what the host answers from now on comes too late
        said(watching, "start")
        kill(running)
        until(lambda: rehearsal_host.sh(ONE_OFFS) == "", "the one-off container is still there")
        watching.kill()
    assert "sleep 47008" not in rehearsal_host.sh("ps -eo args")


def test_dockerd_restarts_under_every_command(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    shop.configure(services="  late: {command: sleep 600, health: {command: test -e /tmp/never}}\n")
    with (shop.folder / "Dockerfile.dev").open("a") as file:
        file.write("RUN echo begun; sleep 4.719\n")
    building = shop.terminal.start("build", "--json")
    said(building, "sleep 4.719")
    said(building, "begun")
    rehearsal_host.shell("systemctl", "restart", "docker")
    out, _err = building.communicate(timeout=60)
    assert building.returncode == 1
    assert '"next": ["devbox' in out
    until(lambda: "sleep 4.719" not in rehearsal_host.sh("ps -eo args"), "the build runs on")
    (shop.folder / "Dockerfile.dev").write_text(DOCKERFILE)

    upping = shop.terminal.start("up", "--json")
    said(upping, "late: created")
    rehearsal_host.shell("systemctl", "restart", "docker")
    out, _err = upping.communicate(timeout=60)
    assert upping.returncode == 1
    assert '"next": ["' in out

    shop.configure()
    assert "web" in shop.terminal.devbox("up").stdout
    assert shop.page() == "one"
    following = shop.terminal.start("logs", "-f", "other")
    said(following, "other says")
    commands = [shop.terminal.start(*words, "sh", "-c", "echo begun; sleep 47007") for words in BEGIN]
    for command in commands:
        said(command, "begun")
    rehearsal_host.shell("systemctl", "restart", "docker")
    for command in commands:
        command.communicate(timeout=60)
        assert command.returncode != 0
    shop.terminal.devbox("up", "--no-build", "--no-sync")
    said(following, "other says")
    kill(following)
    assert shop.page() == "one"
    assert "sleep 47007" not in rehearsal_host.sh("ps -eo args")
    until(lambda: rehearsal_host.sh(ONE_OFFS) == "", "the one-off container is still there")


def test_up_and_down_killed_at_any_moment_converge(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    for words in ("building", "web: created"):
        running = shop.terminal.start("up")
        assert running.stderr is not None
        for line in running.stderr:
            if words in line:
                break
        kill(running)
    shop.terminal.devbox("up")
    assert shop.page() == "one"
    names = rehearsal_host.sh(f"docker ps -a --format '{{{{.Names}}}}' --filter name={shop.name}").split()
    assert sorted(names) == [f"dev.{shop.name}-other-1", f"dev.{shop.name}-web-1"]

    ending = shop.terminal.start("down", "--json")
    said(ending, "removed")
    kill(ending)
    shop.terminal.devbox("down", "--volumes")
    for listing in ("docker ps -aq", "docker network ls -q"):
        assert rehearsal_host.sh(f"{listing} --filter name={shop.name}") == ""
