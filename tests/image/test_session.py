"""The BuildKit session: only what changed travels, secrets do, and what happens without one."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from devbox import wiring
from devbox.adapters.docker import building
from devbox.adapters.docker.filesync import stat, with_parents
from devbox.adapters.docker.http import Http
from devbox.adapters.docker.protobuf import fields, message, number
from devbox.config.load import load
from devbox.errors import DaemonError, DaemonRefused
from devbox.image.build import plan
from devbox.image.context import local_context
from devbox.ports.build import BuildRequest, Built, ContextEntry, EntryKind, Sent
from devbox.ports.host import Socket
from tests.image.conftest import PYTHON_IMAGE, Folder
from tests.rehearsal import hosts


def sent(project: Folder) -> int:
    done = project.run("build", "--json")
    assert done.code == 0, done.err + done.out
    return int(done.events[-1]["data"]["sent"])


@pytest.fixture(scope="session")
def trixie(bench: None) -> Iterator[hosts.RehearsalHost]:
    host = hosts.up(hosts.Wish(hosts.shared_name("image"), "trixie"))
    host.shell("usermod", "-aG", "docker", "dev")
    yield host
    hosts.down(host.name)


@pytest.fixture(params=["bookworm", "trixie"])
def on_both(
    request: pytest.FixtureRequest, project: Folder, ssh_config: Callable[[], Path]
) -> Iterator[Folder]:
    if request.param == "bookworm":
        yield project
        return
    host = request.getfixturevalue("trixie")
    ssh_config()
    config = (project.path / "devbox.yaml").read_text()
    project.write("devbox.yaml", config.replace(f"host: {project.host.name}\n", f"host: {host.name}\n"))
    yield Folder(project.path, host)


@pytest.mark.host
def test_only_what_changed_travels(on_both: Folder) -> None:
    on_both.write("big.bin", "x" * 300_000)
    on_both.write("sub/folder/small.txt", "first")
    assert sent(on_both) > 300_000
    assert sent(on_both) < 1000  # newer engines ask for the Dockerfile every time
    on_both.write("sub/folder/small.txt", "second!")
    assert sent(on_both) < 1000  # newer engines ask for the Dockerfile every time
    words = ("docker", "run", "--rm", "imaged-dev", "sh", "-c", "cat sub/folder/small.txt; wc -c < big.bin")
    assert on_both.host.shell(*words) == "second!300000\n"


@pytest.mark.host
def test_only_what_the_dockerfile_copies_travels(on_both: Folder) -> None:
    on_both.write("big.bin", "x" * 300_000)
    on_both.write("require-one.txt", "one ")
    on_both.write("conf/a/b.txt", "deep ")
    on_both.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nCOPY require*.txt conf/a /x/\n")
    assert sent(on_both) < 1000
    words = ("docker", "run", "--rm", "imaged-dev", "sh", "-c", "cd /x; cat *; ls /x | wc -l")
    assert on_both.host.shell(*words) == "deep one 2\n"
    # A link is copied as what it leads to, wherever that is.
    on_both.write("data/real.txt", f"real {time.time_ns()} ")
    (on_both.path / "link.txt").symlink_to("data/real.txt")
    on_both.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nCOPY link.txt /x/\n")
    assert on_both.run("build").code == 0
    words = ("docker", "run", "--rm", "imaged-dev", "cat", "/x/link.txt")
    assert on_both.host.shell(*words) == (on_both.path / "data/real.txt").read_text()


@pytest.mark.host
def test_the_classic_builder_on_request(on_both: Folder) -> None:
    said = f"it says {time.time_ns()}"  # the host's cache outlives a test
    on_both.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nLABEL a=b\nRUN echo {said}\nCOPY app.py /x.py\n")
    first = on_both.run("build", "--builder", "classic", "--json")
    assert first.code == 0, first.out
    lines = [event["text"] for event in first.events]
    assert f"#3 [3/6] RUN echo {said}" in lines
    assert f"#3 | {said}" in lines
    second = on_both.run("build", "--builder", "classic", "--json")
    results = [done.events[-1]["data"] for done in (first, second)]
    assert results[0]["image"] == results[1]["image"]
    on_both.write("app.py", "print('hello again')\n")
    third = on_both.run("build", "--builder", "classic", "--json")
    assert third.events[-1]["data"]["cached"] >= 2
    assert (
        on_both.host.shell("docker", "run", "--rm", "imaged-dev", "cat", "/x.py") == "print('hello again')\n"
    )

    on_both.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\n\nRUN echo no luck; exit 7\n")
    failed = on_both.run("build", "--builder", "classic")
    assert failed.code == 1
    assert "Dockerfile.dev:3: the build failed in [2/" in failed.err
    assert "\n    no luck" in failed.err
    assert "code: 7" in failed.err or "exit code 7" in failed.err


@pytest.mark.host
def test_a_changed_dockerfile_of_the_same_size_is_seen(project: Folder) -> None:
    for word in ("one", "two"):
        project.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nENV WORD={word}\n")
        assert project.run("build").code == 0
        assert f"WORD={word}" in project.host.shell("docker", "inspect", "imaged-dev")


@pytest.mark.host
def test_exceptions_bring_their_folders_along(on_both: Folder) -> None:
    on_both.write("deep/er/kept.txt", "kept")
    on_both.write("deep/er/gone.txt", "gone")
    on_both.write(".dockerignore", "*\n!deep/er/kept.txt\n")
    assert on_both.run("build").code == 0
    words = ("docker", "run", "--rm", "imaged-dev", "find", ".", "-type", "f")
    assert on_both.host.shell(*words).split() == ["./deep/er/kept.txt"]


@pytest.mark.host
def test_secrets_reach_the_step_and_nothing_else(on_both: Folder) -> None:
    on_both.write("token", "s3cr3t-word")
    on_both.write(".dockerignore", "token")
    text = "RUN --mount=type=secret,id=token test $(wc -c < /run/secrets/token) = 11"
    on_both.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\n{text}\n")
    config = (
        (on_both.path / "devbox.yaml").read_text().replace("build: {", "build: {secrets: {token: token}, ")
    )
    on_both.write("devbox.yaml", config)
    done = on_both.run("build", "--json")
    assert done.code == 0, done.out
    assert "s3cr3t" not in done.out + done.err + on_both.host.shell(
        "docker", "history", "--no-trunc", "imaged-dev"
    )


@pytest.mark.host
def test_a_dockerfile_outside_the_context(project: Folder) -> None:
    config = (project.path / "devbox.yaml").read_text().replace("build: {", "build: {context: app, ")
    project.write("devbox.yaml", config)
    project.write("app/main.py", "x")
    assert project.run("build").code == 0
    words = ("docker", "run", "--rm", "imaged-dev", "find", ".", "-type", "f")
    assert project.host.shell(*words).split() == ["./main.py"]


@pytest.mark.host
def test_links_modes_and_empty_folders_arrive_as_they_are(project: Folder) -> None:
    (project.path / "dangling").symlink_to("nowhere")
    (project.path / "empty").mkdir()
    project.write("run.sh", "#!/bin/sh").chmod(0o751)
    assert project.run("build").code == 0
    words = (
        "docker",
        "run",
        "--rm",
        "imaged-dev",
        "sh",
        "-c",
        "readlink dangling; stat -c %a run.sh; ls -d empty",
    )
    assert project.host.shell(*words).split() == ["nowhere", "751", "empty"]


class WithoutSession(Http):
    """A daemon behind something that lets no protocol switch through."""

    def upgrade(
        self, path: str, query: Mapping[str, Any], body: Any, headers: Any = ()
    ) -> tuple[socket.socket, bytes]:
        raise DaemonRefused("the daemon refused", status=404, why="page not found")


@pytest.mark.host
def test_without_a_session_the_whole_context_travels(project: Folder) -> None:
    config = load(project.path / "devbox.yaml")
    wanted = plan(config, "dev")
    with ExitStack() as stack:
        link = stack.enter_context(wiring.open_host(config))
        api = WithoutSession(lambda: link.dial(Socket(path="/var/run/docker.sock")), "host")
        for _ in range(2):
            events = list(stack.enter_context(building.build(api, wanted.request, wanted.context)))
            assert isinstance(events[-1], Built)
            assert max(event.count for event in events if isinstance(event, Sent)) > 2000
        api.close()


def test_without_a_session_secrets_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    context, _ = local_context(tmp_path, tmp_path / "Dockerfile")

    def nobody() -> socket.socket:
        raise AssertionError("nothing is dialled")

    request = BuildRequest("tag", secrets={"token": b"x"})
    with (
        pytest.raises(DaemonError, match="secrets cannot be handed over"),
        building.build(WithoutSession(nobody, "host"), request, context),
    ):
        pass


def test_messages_there_and_back() -> None:
    packed = message({1: 1, 2: b"bytes", 3: 0, 5: 2**62, 7: b""})
    assert fields(packed) == {1: [1], 2: [b"bytes"], 5: [2**62]}


@pytest.mark.parametrize(
    ("entry", "mode"),
    [
        (ContextEntry("a", EntryKind.FILE, 0o644), 0o644),
        (ContextEntry("a", EntryKind.FOLDER, 0o755), 0o755 | 1 << 31),
        (ContextEntry("a", EntryKind.LINK, 0o777), 0o777 | 1 << 27),
        (ContextEntry("a", EntryKind.FILE, 0o4755), 0o755 | 1 << 23),
        (ContextEntry("a", EntryKind.FOLDER, 0o1777), 0o777 | 1 << 31 | 1 << 20),
    ],
)
def test_modes_are_those_of_go(entry: ContextEntry, mode: int) -> None:
    assert number(fields(stat(entry)), 2) == mode


def test_folders_come_before_what_is_in_them_in_gos_order() -> None:
    names = ["a/b/c", "a-b", "a.txt", "b"]
    found = with_parents([ContextEntry(name, EntryKind.FILE) for name in names])
    assert [entry.path for entry in found] == ["a", "a/b", "a/b/c", "a-b", "a.txt", "b"]
