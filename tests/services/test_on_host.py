"""Services on a real host, by the real command line: run, changed, looked into, broken, taken down."""

from __future__ import annotations

import json
import os
import pty
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.rehearsal.hosts import RehearsalHost
from tests.road.terminal import Terminal

pytestmark = pytest.mark.host

SERVER = """
import http.server, os, pathlib
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pathlib.Path("made-by-app.txt").write_text("here")
        text = (pathlib.Path("words.txt").read_text() + os.environ.get("EXTRA", "")).encode()
        self.send_response(200); self.end_headers(); self.wfile.write(text)
    def log_message(self, *args): print("asked", flush=True)
print("starting", flush=True)
http.server.HTTPServer(("0.0.0.0", 8000), Answer).serve_forever()
"""
DOCKERFILE = "ARG PYTHON_IMAGE=python:3.12-slim\nFROM ${PYTHON_IMAGE}\nWORKDIR /app\n"
CONFIG = """
name: {name}
host: {host}
build: {{args: {{PYTHON_IMAGE: "{python}"}}}}
sync: [{{local: ., remote: ~/devbox/{name}, container: /app}}]
services:
  web:
    command: [python, server.py]
    ports: ["{port}:8000"]
    environment: {{EXTRA: "{extra}"}}
  other:
    command: [python, -c, "import time; print('other says', flush=True); time.sleep(3600)"]
"""


class Shop:
    """One small project on the shared host."""

    def __init__(self, terminal: Terminal, name: str, port: int) -> None:
        self.terminal, self.name, self.port = terminal, name, port
        self.folder = terminal.home.parent / name
        self.folder.mkdir()
        terminal.folder = self.folder
        (self.folder / "Dockerfile.dev").write_text(DOCKERFILE)
        (self.folder / "server.py").write_text(SERVER)
        (self.folder / "words.txt").write_text("one")
        self.configure()

    def configure(self, extra: str = "", services: str = "") -> None:
        """Write devbox.yaml."""
        values = {"name": self.name, "host": self.terminal.host, "port": self.port, "extra": extra}
        text = CONFIG.format(**values, python=self.terminal.python_image)
        (self.folder / "devbox.yaml").write_text(text + services)

    def rows(self) -> dict[str, dict[str, object]]:
        """`devbox ps`, by service."""
        return {row["service"]: row for row in json.loads(self.terminal.devbox("ps", "--json").stdout)}

    def page(self) -> str:
        """What the app answers at the address that `ps` names."""
        addresses = self.rows()["web"]["addresses"]
        assert isinstance(addresses, list)
        for _ in range(100):
            try:
                with urllib.request.urlopen(addresses[0], timeout=5) as answer:
                    return str(answer.read().decode())
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{addresses[0]} does not answer")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def shop(terminal: Terminal, rehearsal_host: RehearsalHost) -> Iterator[Shop]:
    # Each test has a project of its own: what another left on the host would rightly be a conflict.
    made = Shop(terminal, f"svc-{secrets.token_hex(3)}", _free_port())
    terminal.devbox("init", terminal.host, "--yes")
    yield made
    terminal.devbox("down", "--volumes")
    rehearsal_host.sh(f"rm -rf /home/dev/devbox/*{made.name}")


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
    assert "other says" in run("logs", "other").stdout
    lines = [json.loads(line) for line in run("logs", "web", "--json").stdout.splitlines()]
    assert next(line["data"]["line"] for line in lines) == "starting"
    missing = run("exec", "nothing", "true", code=1)
    assert "no service is called nothing" in missing.stderr
    assert "there are: web, other" in missing.stderr


def test_a_shell_has_a_real_terminal(shop: Shop) -> None:
    shop.terminal.devbox("up")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "devbox", "shell", "web"]
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
    assert b"tty-42" in said
    os.close(ours)


def test_a_taken_local_port_gives_the_next_one(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", shop.port)):
        shop.terminal.devbox("up")
        (address,) = shop.rows()["web"]["addresses"]  # type: ignore[misc]
        assert address != f"http://127.0.0.1:{shop.port}"
        assert shop.page() == "one"


def test_a_service_that_ends_at_once_says_its_last_words(shop: Shop) -> None:
    services = "  broken: {command: [python, -c, \"raise SystemExit('no database')\"]}\n"
    shop.configure(services=services)
    done = shop.terminal.devbox("up", code=1)
    assert "service broken ended with exit code 1" in done.stderr
    assert "no database" in done.stderr
    assert "next: devbox logs broken" in done.stderr


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
