"""Services on a real host, by the real command line: run, changed, looked into, broken, taken down."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.services.shop import Shop

pytestmark = pytest.mark.host


def test_up_serves_the_synced_code_as_the_ssh_user(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    said = json.loads(shop.terminal.devbox("up", "--json").stdout.splitlines()[-1])
    assert said["data"]["created"] == ["web", "other"]
    assert shop.page() == "one"
    (shop.folder / "words.txt").write_text("two")
    shop.terminal.devbox("sync")
    assert shop.page() == "two"
    owner = rehearsal_host.shell("stat", "-c", "%U", f"/home/dev/devbox/{shop.name}/made-by-app.txt")
    assert owner.strip() == "dev"

    before = shop.rows()
    shop.configure(extra="!")
    shop.terminal.devbox("up", "--no-build")
    assert shop.page() == "two!"
    names = rehearsal_host.shell("docker", "ps", "--format", "{{.Names}} {{.RunningFor}}")
    assert f"{shop.name}-other-1" in names
    assert before["other"]["container"] == shop.rows()["other"]["container"]

    (shop.folder / "devbox.yaml").write_text((shop.folder / "devbox.yaml").read_text().split("  other:")[0])
    shop.terminal.devbox("up", "--no-build", "--no-sync")
    assert set(shop.rows()) == {"web"}


def test_commands_in_a_running_service(shop: Shop) -> None:
    shop.terminal.devbox("up")
    run = shop.terminal.devbox
    assert run("exec", "web", "python", "-c", "print(6 * 7)").stdout == "42\n"
    run("exec", "web", "sh", "-c", "echo wrong >&2; exit 7", code=7)
    assert run("run", "--", "cat", "words.txt").stdout == "one"
    run("run", "--", "sh", "-c", "exit 3", code=3)
    unknown = run("run", "--", "nothing-of-that-name", code=126)  # as docker exec
    assert "nothing-of-that-name" in unknown.stdout + unknown.stderr
    assert "other says" in run("logs", "other").stdout
    lines = [json.loads(line) for line in run("logs", "web", "--json").stdout.splitlines()]
    assert next(line["data"]["line"] for line in lines) == "starting"
    missing = run("exec", "nothing", "true", code=1)
    assert "no service is called nothing" in missing.stderr
    assert "there are: web, other" in missing.stderr


def test_a_one_off_is_what_the_image_says(shop: Shop) -> None:
    """Its entrypoint, input from a pipe; and images in which there is no shell to wait beside the command."""
    recipe = shop.folder / "Dockerfile.dev"
    bare = recipe.read_text()
    recipe.write_text(bare + 'ENTRYPOINT ["env", "GREETING=hello"]\n')
    shop.terminal.devbox("build")
    shop.terminal.devbox("sync")
    words = [sys.executable, "-m", "devbox", "run", "--", "sh", "-c", "cat; echo $GREETING; exit 5"]
    done = subprocess.run(
        words, cwd=shop.folder, env=shop.terminal.env, input="piped ", capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("piped hello\n", 5)

    remove = """RUN ["python3", "-c", "import os; os.remove('/bin/sh')"]\n"""
    recipe.write_text(bare + remove)
    shop.terminal.devbox("build")
    found = shop.terminal.devbox("run", "--", "python3", "-c", "print(6 * 7); raise SystemExit(4)", code=4)
    assert found.stdout == "42\n"


def test_a_shell_has_a_real_terminal(shop: Shop) -> None:
    shop.terminal.devbox("up")
    in_service, of_its_own = _typed(shop, "shell", "web"), _typed(shop, "run", "--", "sh")
    assert b"tty-42" in in_service
    assert b"tty-42" in of_its_own


def _typed(shop: Shop, *command: str) -> bytes:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "devbox", *command]
    process = subprocess.Popen(
        words, cwd=shop.folder, env=shop.terminal.env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, b"test -t 0 && echo tty-$((40 + 2)); exit 5\n")
    said = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
    assert process.wait(60) == 5
    os.close(ours)
    return said


def test_a_taken_local_port_gives_the_next_one(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", shop.port)):
        shop.terminal.devbox("up")
        (address,) = shop.rows()["web"]["addresses"]  # type: ignore[misc]
        assert address != f"http://127.0.0.1:{shop.port}"
        assert shop.page() == "one"


def test_expose_opens_the_port_for_everyone_and_up_closes_it(
    shop: Shop, rehearsal_host: RehearsalHost
) -> None:
    def outside() -> bool:
        try:
            socket.create_connection((rehearsal_host.inner, shop.port), timeout=2).close()
        except OSError:
            return False
        return True

    said = shop.terminal.devbox("up", "--expose", "web").stderr
    assert "warning: --expose opens ports" in said
    assert shop.page() == "one"
    assert outside()
    shop.terminal.devbox("up", "--no-build", "--no-sync", "web")
    assert not outside()
    assert shop.page() == "one"

    # On the host nobody can choose another number for whoever was told this one: it is said who may.
    words = ("docker", "run", "-d", "--rm", "--name", "taker", "-p", f"{shop.port}:1")
    rehearsal_host.shell(*words, shop.terminal.python_image, "sleep", "600")
    try:
        refused = shop.terminal.devbox("up", "--expose", "--no-build", "--no-sync", "web", code=1).stderr
    finally:
        rehearsal_host.shell("docker", "rm", "-f", "taker")
    assert f"port {shop.port} of the host is taken" in refused
    assert "next: devbox up   (without --expose)" in refused


def test_a_service_that_ends_at_once_says_its_last_words(shop: Shop) -> None:
    services = "  broken: {command: [python, -c, \"raise SystemExit('no database')\"]}\n"
    shop.configure(services=services)
    done = shop.terminal.devbox("up", code=1)
    assert "service broken ended with exit code 1" in done.stderr
    assert "no database" in done.stderr
    assert "next: devbox logs broken" in done.stderr


def test_little_room_on_the_host_is_said_before_the_build(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    df = "/usr/local/bin/df"
    rehearsal_host.sh(f"printf '#!/bin/sh\\necho / 9 9 1000000 9%% /\\n' > {df}; chmod 755 {df}")
    try:
        said = shop.terminal.devbox("build").stderr
        rehearsal_host.sh(f"sed -i s/1000000/1000/ {df}")
        shop.terminal.devbox("build", "--no-cache", code=1)
    finally:
        rehearsal_host.sh(f"rm {df}")
    warning = (
        f"warning: 1.0 GB left for images on {shop.terminal.host}: docker builder prune on the host frees"
    )
    assert said.index(warning) < said.index("building ")


def test_a_missing_folder_on_the_host_is_an_error(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    shop.terminal.devbox("build")
    rehearsal_host.shell("rm", "-rf", f"/home/dev/devbox/{shop.name}")
    done = shop.terminal.devbox("up", "--no-build", "--no-sync", code=1)
    assert "is not on the host, so it cannot be mounted" in done.stderr
    assert "next: devbox sync" in done.stderr


def test_the_addresses_come_back_after_the_forwarding_process_was_killed(shop: Shop) -> None:
    shop.terminal.devbox("up")
    state = next(shop.terminal.home.rglob("forward.json"))
    os.kill(json.loads(state.read_text())["pid"], signal.SIGKILL)
    for _ in range(100):
        if shop.rows()["web"]["addresses"] == []:
            break
        time.sleep(0.1)
    assert shop.rows()["web"]["addresses"] == []
    shop.terminal.devbox("up", "--no-build", "--no-sync")
    assert shop.page() == "one"


def test_the_addresses_survive_a_lost_connection(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    shop.terminal.devbox("up")
    assert shop.page() == "one"
    rehearsal_host.sh("pkill -f '[s]shd: dev@' || true")
    assert shop.page() == "one"


def test_down_leaves_nothing_of_ours_and_all_of_others(shop: Shop, rehearsal_host: RehearsalHost) -> None:
    rehearsal_host.shell(
        "docker", "run", "-d", "--name", "foreign", shop.terminal.python_image, "sleep", "600"
    )
    try:
        shop.terminal.devbox("up")
        shop.terminal.devbox("down")
        left = rehearsal_host.shell("docker", "ps", "-a", "--format", "{{.Names}}").split()
        assert "foreign" in left
        assert not [name for name in left if name.startswith(shop.name)]
        assert shop.name not in rehearsal_host.shell("docker", "network", "ls", "--format", "{{.Name}}")
        assert rehearsal_host.sh(f"ls /home/dev/devbox/{shop.name}/words.txt").strip().endswith("words.txt")
    finally:
        rehearsal_host.shell("docker", "rm", "-f", "foreign")
