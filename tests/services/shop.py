"""One small project on the shared host, driven by the real command line."""

from __future__ import annotations

import json
import socket
import time
import urllib.request

from tests.road.terminal import Terminal

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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
