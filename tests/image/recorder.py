"""What the real Docker CLI sends: a daemon that only records the build context."""

from __future__ import annotations

import io
import os
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path


class Recorder(socketserver.ThreadingUnixStreamServer):
    """Answers a ping, takes the body of a classic build."""

    daemon_threads = True
    body: bytes = b""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(b"OK")

    def do_POST(self) -> None:
        self.server.body = b"".join(self._chunks())
        self._answer(b'{"stream":"Successfully built 0123456789ab\\n"}\n')

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("OSType", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def recording(folder: Path) -> Iterator[tuple[Recorder, Path]]:
    path = folder / "docker.sock"
    with Recorder(str(path), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server, path
        server.shutdown()
        thread.join()


def sent(server: Recorder, path: Path, context: Path, dockerfile: str = "Dockerfile") -> bytes | str:
    """The tar that `docker build` sends for a context; its complaint when it refuses."""
    server.body = b""
    done = subprocess.run(
        ["docker", "-H", f"unix://{path}", "build", "-q", "-f", str(context / dockerfile), str(context)],
        env={**os.environ, "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(path.parent)},
        capture_output=True,
        text=True,
    )
    return server.body if done.returncode == 0 else done.stderr


def members(tar: bytes) -> dict[str, tuple[str, int, int, str, bytes]]:
    """A tar as values: kind, mode, size, link target and content by path."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for one in archive:
            file = archive.extractfile(one) if one.isreg() else None
            content = file.read() if file else b""
            found[one.name] = (one.type.decode(), one.mode, one.size, one.linkname, content)
    return found
