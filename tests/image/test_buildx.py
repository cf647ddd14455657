"""buildx of a real Docker CLI, through our way to the daemon; and who is chosen to build."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from devbox.adapters.docker import rawjson
from devbox.adapters.docker.choosing import choose
from devbox.ports.build import Builder, BuildWarning, Sent, Step, StepOutput
from tests.image.conftest import PYTHON_IMAGE, Done, Folder
from tests.image.test_build import ended
from tests.rehearsal import images
from tests.rehearsal.daemon import docker
from tests.road.terminal import Terminal


@pytest.fixture(scope="session")
def plugins(bench: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Docker's settings with Debian's buildx as its plugin."""
    folder = tmp_path_factory.mktemp("docker")
    (folder / "cli-plugins").mkdir()
    made = docker("create", images.ensure(images.tools_recipe()), "true").stdout.strip()
    docker("cp", f"{made}:/usr/libexec/docker/cli-plugins/docker-buildx", str(folder / "cli-plugins"))
    docker("rm", made)
    return folder


@pytest.fixture
def buildx(project: Folder, plugins: Path) -> Folder:
    """A project on a machine that has buildx, whose shell points elsewhere."""
    aside = {"DOCKER_CONTEXT": "elsewhere", "DOCKER_TLS_VERIFY": "1", "BUILDX_BUILDER": ""}
    return replace(project, environment={"DOCKER_CONFIG": str(plugins), **aside})


def naming(project: Folder, builder: str) -> Folder:
    return replace(project, environment={**project.environment, "BUILDX_BUILDER": builder})


def built(done: Done) -> dict[str, object]:
    assert done.code == 0, done.err + done.out
    data: dict[str, object] = done.events[-1]["data"]
    return data


@pytest.mark.host
def test_buildx_and_the_session_make_the_same_image(buildx: Folder) -> None:
    buildx.write("sub/new.txt", f"{time.time_ns()}")
    session = buildx.run("build", "--json")
    assert any("BuildKit in the host's daemon" in event["text"] for event in session.events)
    cli = buildx.run("build", "--builder", "buildx", "--json")
    texts = [event["text"] for event in cli.events]
    assert "builder: buildx on the host's daemon, as asked" in texts
    assert any("COPY . /app" in text for text in texts)
    assert built(cli)["image"] == built(session)["image"]
    assert int(str(built(cli)["cached"])) >= 4
    assert "nothing sent" in buildx.run("build", "--builder", "buildx").err
    buildx.write("sub/new.txt", "a")
    changed = buildx.run("build", "--builder", "buildx", "--json")
    assert built(changed)["image"] != built(session)["image"]
    assert buildx.host.shell("docker", "run", "--rm", "imaged-dev", "cat", "sub/new.txt") == "a"
    assert any(event["kind"] == "build.sent" and event["data"]["bytes"] for event in changed.events)


@pytest.mark.host
def test_every_option_reaches_buildx(buildx: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere" / "Some.Dockerfile"
    outside.parent.mkdir()
    outside.write_text(
        f"FROM {PYTHON_IMAGE} AS first\nARG A=0\nARG B=0\nENV SEEN=$A$B\n"
        "RUN --mount=type=secret,id=token wc -c < /run/secrets/token > /size\n"
        "FROM first AS second\nENV TWO=1\n"
    )
    (buildx.path / "Dockerfile.dev").unlink()
    (buildx.path / "Some.Dockerfile").symlink_to(outside)
    (buildx.path / "token").write_bytes(b"s\xffcret\n")
    config = (
        f"name: imaged\nhost: {buildx.host.name}\ndocker: {{endpoint: ssh}}\n"
        "build: {dockerfile: Some.Dockerfile, target: first, args: {A: x}, labels: {mine: yes}, "
        "platform: linux/amd64, cache_from: imaged-dev, secrets: {token: token}}\n"
    )
    buildx.write("devbox.yaml", config)
    words = ("build", "--builder", "buildx", "--no-cache", "--build-arg", "B=y z", "--json")
    for done in (buildx.run(*words), buildx.run(*words)):
        assert built(done)["tag"] == "imaged-dev"
        kinds = {event["kind"] for event in done.events if "RUN" in event.get("data", {}).get("name", "")}
        assert kinds == {"build.step", "build.done"}
    inspected = buildx.host.shell("docker", "inspect", "imaged-dev")
    for expected in ('"SEEN=xy z"', '"mine": "yes"', '"devbox.project": "imaged"', '"Architecture": "amd64"'):
        assert expected in inspected
    assert "TWO=1" not in inspected
    assert buildx.host.shell("docker", "run", "--rm", "imaged-dev", "cat", "/size").strip() == "7"

    (buildx.path / "token").write_bytes(b"\0")
    refused = buildx.run("build", "--builder", "buildx")
    assert refused.code == 1
    assert "the build secret token cannot be handed to buildx" in refused.err
    assert "next: devbox build --builder session" in refused.err


@pytest.mark.host
def test_a_step_that_fails_under_buildx(buildx: Folder) -> None:
    lines = f"FROM {PYTHON_IMAGE}\n\nRUN echo so far so good {time.time_ns()} && exit 7\n"
    buildx.write("Dockerfile.dev", lines)
    done = buildx.run("build", "--builder", "buildx")
    assert done.code == 1
    assert "error: Dockerfile.dev:3: the build failed in [" in done.err
    assert "exit code 7" in done.err
    assert "\n    so far so good" in done.err
    assert "Traceback" not in done.err
    buildx.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nRUM echo\n")
    done = buildx.run("build", "--builder", "buildx")
    assert done.code == 1
    assert "unknown instruction: RUM" in done.err


@pytest.mark.host
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_build_outlives_its_client(buildx: Folder, number: signal.Signals) -> None:
    sleep = f"sleep 4721.{time.time_ns()}"
    buildx.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nRUN echo begun; exec {sleep}\n")
    process = buildx.start("build", "--builder", "buildx")
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "| begun" in line:
                break
        assert sleep in buildx.host.shell("ps", "-eo", "args")
        assert "docker-buildx" in ours(buildx)
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert ended(buildx, sleep)
    deadline = time.monotonic() + 60
    while ours(buildx):
        assert time.monotonic() < deadline, "the CLI is still there"
        time.sleep(0.2)


def ours(project: Folder) -> str:
    """The command lines of this machine that name the project's folder."""
    found = subprocess.run(["ps", "-wweo", "args"], check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in found.splitlines() if str(project.path) in line)


@pytest.mark.host
def test_a_builder_that_the_user_named_is_taken(buildx: Folder) -> None:
    done = naming(buildx, "cloud").run("build")
    assert done.code == 1
    assert "builder: buildx on cloud, which BUILDX_BUILDER names" in done.err
    assert 'no builder "cloud" found' in done.err
    assert "Traceback" not in done.err
    own = naming(buildx, "cloud").run("build", "--builder", "session")
    assert own.code == 0
    assert "without a CLI" in own.err
    assert naming(buildx, "default").run("build", "--no-cache").code == 0


@pytest.mark.host
def test_a_builder_that_does_not_answer(project: Folder, tmp_path: Path) -> None:
    """What buildx 0.13 prints 20 seconds after it was told to use a builder that nobody runs."""
    vertex = {"digest": "sha256:1", "name": "[internal] waiting for connection"}
    begun = {"vertexes": [{**vertex, "started": "2026-01-31T10:20:30.5Z"}]}
    ended = {"vertexes": [{**begun["vertexes"][0], "error": "context deadline exceeded"}]}
    tool = tmp_path / "bin" / "docker"
    tool.parent.mkdir()
    lines = "\n".join(json.dumps(status, indent=2) for status in (begun, ended))
    tool.write_text(
        "#!/bin/sh\n[ $2 != version ] || { echo buildx v0.13.1 0; exit; }\n"
        f"cat >&2 <<'END'\n{lines}\nERROR: context deadline exceeded\nEND\nexit 1\n"
    )
    tool.chmod(0o755)
    environment = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "BUILDX_BUILDER": "far"}
    done = replace(project, environment=environment).run("build")
    assert done.code == 1
    assert "error: far: the builder does not answer: context deadline exceeded" in done.err
    assert "next: docker buildx inspect far" in done.err


@pytest.mark.host
@pytest.mark.parametrize("endpoint", ["tls", "tls-tunnel"])
def test_the_way_to_the_daemon_is_ours(endpoint: str, terminal: Terminal, plugins: Path) -> None:
    """The CLI knows no certificate and no SSH."""
    terminal.folder = terminal.home.parent / "there"
    terminal.folder.mkdir()
    (terminal.folder / "Dockerfile.dev").write_text(f"FROM {PYTHON_IMAGE}\nRUN echo {time.time_ns()}\n")
    config = f"name: way-{endpoint}\nhost: {terminal.host}\n"
    (terminal.folder / "devbox.yaml").write_text(config)
    terminal.devbox("init", terminal.host, "--yes")
    if endpoint == "tls-tunnel":  # init made the certificates; the same port is reached on the loopback too
        (terminal.folder / "devbox.yaml").write_text(config + "docker: {endpoint: tls-tunnel}\n")
    terminal.extra["DOCKER_CONFIG"] = str(plugins)
    done = terminal.devbox("build", "--builder", "buildx")
    assert f"way-{endpoint}-dev sha256:" in done.stdout


@pytest.mark.host
def test_the_users_choice_of_a_builder_stays(buildx: Folder, plugins: Path) -> None:
    current = plugins / "buildx" / "current"
    current.parent.mkdir(exist_ok=True)
    current.write_text('{"Key":"unix:///var/run/docker.sock","Name":"far","Global":false}')
    before = current.read_text()
    assert buildx.run("build", "--builder", "buildx", "--no-cache").code == 0
    assert current.read_text() == before
    current.unlink()


@pytest.mark.host
def test_without_buildx_it_is_said(project: Folder, tmp_path: Path) -> None:
    bare = naming(replace(project, environment={"DOCKER_CONFIG": str(tmp_path)}), "far")
    done = bare.run("build", "--builder", "buildx")
    assert done.code == 1
    assert "buildx cannot build here" in done.err
    assert "next: devbox build " in done.err
    done = bare.run("build", "--no-cache")
    assert done.code == 0
    assert "BuildKit in the host's daemon, without a CLI; not far (BUILDX_BUILDER), for the" in done.err


def test_the_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def has(version: str) -> None:
        tool.write_text(f"#!/bin/sh\necho github.com/docker/buildx {version} 0123\n")
        tool.chmod(0o755)

    has("v0.13.1")
    monkeypatch.delenv("BUILDX_BUILDER", raising=False)
    assert choose(Builder.AUTO).builder is Builder.SESSION
    assert choose(Builder.CLASSIC).builder is Builder.CLASSIC
    monkeypatch.setenv("BUILDX_BUILDER", "cloud")
    assert choose(Builder.AUTO).builder is Builder.BUILDX
    assert choose(Builder.SESSION).builder is Builder.SESSION
    has("v0.12.9")
    assert choose(Builder.AUTO).builder is Builder.SESSION
    assert "from buildx 0.13 on" in choose(Builder.AUTO).text


def test_progress_is_read_from_both_kinds_of_documents() -> None:
    lines = [
        '{"vertexes":[{"digest":"a","name":"RUN x","started":"2026-01-31T10:20:30.5Z","cached":true}]}\n',
        "{\n",
        '  "statuses": [{"id": "transferring context:", "vertex": "a", "current": 7}],\n',
        '  "logs": [{"vertex": "a", "data": "aGkK"}],\n',
        '  "warnings": [{"vertex": "a", "short": "b2ggbm8="}]\n',
        "}\n",
        "ERROR: failed to solve: no\n",
    ]
    said: list[str] = []
    found = list(rawjson.events(lines, said))
    assert said == ["ERROR: failed to solve: no"]
    assert found[0] == Step("a", "RUN x", True, started=1769854830.5)
    assert found[2:] == [Sent(7), StepOutput("a", b"hi\n"), BuildWarning("oh no")]
    assert rawjson.seconds("2026-01-31T12:20:30.25+02:00") == 1769854830.25
    assert rawjson.seconds(None) == 0.0
