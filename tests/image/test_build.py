"""`devbox build` as typed, on a real daemon."""

from __future__ import annotations

import os
import signal
import time

import pytest

from devbox import wiring
from devbox.config.load import load
from tests.image.conftest import PYTHON_IMAGE, Folder

pytestmark = pytest.mark.host


def test_image_is_built_from_the_local_dockerfile(project: Folder) -> None:
    project.write(".dockerignore", "**/*.pyc\nsecret.env\n")
    project.write("secret.env", "TOKEN=1")
    project.write("pkg/a.pyc", "x")
    done = project.run("build")
    assert done.code == 0, done.err
    tag, image = done.out.split()
    assert tag == "imaged-dev"
    assert "| " not in done.out
    inside = project.host.shell(
        "docker", "run", "--rm", "imaged-dev", "sh", "-c", "id -u; find . -type f | sort"
    )
    assert inside.split() == ["4711", "./.dockerignore", "./Dockerfile.dev", "./app.py", "./devbox.yaml"]
    assert image in project.host.shell("docker", "inspect", "--format", "{{.Id}}", "imaged-dev")


def test_second_build_comes_out_of_the_cache_and_gives_the_same_image(project: Folder) -> None:
    first, second = project.run("build", "--json"), project.run("build", "--json", "--build-arg", "NEW=1")
    results = [done.events[-1]["data"] for done in (first, second)]
    assert results[0]["image"] == results[1]["image"]
    assert results[1]["cached"] >= 4
    kinds = {event["kind"] for event in second.events}
    assert {"build.step", "build.cached", "build.built"} <= kinds


def test_an_unchanged_build_sends_nothing_at_all(project: Folder) -> None:
    first = project.run("build").out
    again = project.run("build")
    assert "imaged-dev is up to date, nothing sent" in again.err
    assert again.out == first
    # Whatever could change the image is looked at: a file, the tag on the host, what is asked for.
    project.write("app.py", "print('other')\n")
    assert ", 4 cached," not in (changed := project.run("build")).err  # "#4 cached" is a step's line
    assert changed.out != first
    project.host.shell("docker", "tag", PYTHON_IMAGE, "imaged-dev")
    assert "up to date" not in project.run("build").err
    assert "up to date" in project.run("build").err
    assert "up to date" not in project.run("build", "--build-arg", "NEW=1").err
    assert "up to date" not in project.run("build", "--no-cache").err


def test_a_failing_step_is_named_with_its_last_words_and_its_line(project: Folder) -> None:
    lines = f"FROM {PYTHON_IMAGE}\n# a comment\nRUN echo fine\n\nRUN echo so far so good && \\\n    exit 7\n"
    project.write("Dockerfile.dev", lines)
    done = project.run("build")
    assert done.code == 1
    assert done.out == ""
    assert "error: Dockerfile.dev:5: the build failed in [" in done.err
    assert "exit code 7" in done.err
    assert "\n    so far so good" in done.err
    assert "next: edit Dockerfile.dev:5" in done.err
    assert "Traceback" not in done.err


def test_a_dockerfile_that_is_none(project: Folder) -> None:
    project.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nRUM echo\n")
    done = project.run("build")
    assert done.code == 1
    assert "unknown instruction: RUM" in done.err


def test_arguments_labels_target_from_config_and_command_line(project: Folder) -> None:
    text = f"FROM {PYTHON_IMAGE} AS first\nARG A=0\nARG B=0\nENV SEEN=$A$B\nFROM first AS second\nENV TWO=1\n"
    project.write("Dockerfile.dev", text)
    config = (project.path / "devbox.yaml").read_text().replace("build: {", "build: {target: first, ")
    project.write("devbox.yaml", config.replace("args: {", "labels: {mine: yes}, args: {A: x, "))
    assert project.run("build", "--build-arg", "B=y").code == 0
    with wiring.open_daemon(load(project.path / "devbox.yaml")) as daemon:
        image = daemon.image("imaged-dev")
    assert image is not None
    assert "SEEN=xy" in image.config["Env"]
    assert "TWO=1" not in image.config["Env"]
    assert image.config["Labels"]["mine"] == "yes"
    assert image.config["Labels"]["devbox.project"] == "imaged"


def ended(project: Folder, command: str) -> bool:
    """Whether the host stops running it, in its own time."""
    deadline = time.monotonic() + 60
    while command in project.host.shell("ps", "-eo", "args"):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_interrupt_cancels_the_build_on_the_host(project: Folder) -> None:
    project.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nRUN echo begun; exec sleep 4711\n")
    process = project.start("build")
    assert process.stderr is not None
    for line in process.stderr:
        if "| begun" in line:
            break
    assert "sleep 4711" in project.host.shell("ps", "-eo", "args")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert ended(project, "sleep 4711")


def test_killed_client_leaves_no_build_behind(project: Folder) -> None:
    project.write("Dockerfile.dev", f"FROM {PYTHON_IMAGE}\nRUN echo begun; exec sleep 4712\n")
    process = project.start("build")
    assert process.stderr is not None
    for line in process.stderr:
        if "| begun" in line:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert ended(project, "sleep 4712")


def test_an_image_answers_which_python_it_has(project: Folder) -> None:
    with wiring.open_daemon(load(project.path / "devbox.yaml")) as daemon:
        said = daemon.run_once(PYTHON_IMAGE, ["python3", "-c", "import sys; print(sys.executable)"])
    assert said.strip().startswith("/")
