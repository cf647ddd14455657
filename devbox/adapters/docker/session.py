"""A BuildKit session: the daemon asks us for files, secrets and credentials while it builds.

`POST /session` with `Upgrade: h2c` hands the connection over to HTTP/2 with the daemon as the client; the
headers say who we are and which methods we have (BuildKit, session/grpchijack). The shared key lets the
daemon find what it kept from this context the last time.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devbox.adapters.docker.filesync import FileSync
from devbox.adapters.docker.grpc import NOT_FOUND, Call, Failed, Handler, Server
from devbox.adapters.docker.http import Http
from devbox.adapters.docker.protobuf import fields, message, text
from devbox.ports.build import BuildContext

_HEALTH = "/grpc.health.v1.Health/Check"
_FILES = "/moby.filesync.v1.FileSync/DiffCopy"
_SECRETS = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
_AUTH = "/moby.filesync.v1.Auth/Credentials"
_HUB = ("registry-1.docker.io", "docker.io", "https://index.docker.io/v1/")
_SERVING = 1


@dataclass(frozen=True, slots=True)
class Session:
    """A running session: its id for the build, and the files' handler."""

    id: str
    files: FileSync


@contextmanager
def opened(
    api: Http, context: BuildContext, hidden: Mapping[str, bytes], credentials: Mapping[str, Any]
) -> Iterator[Session]:
    """Serve the daemon for the time of one build."""
    files = FileSync(context)
    handlers: dict[str, Handler] = {
        _HEALTH: lambda call: call.send(message({1: _SERVING})),
        _FILES: files,
        _SECRETS: lambda call: _secret(call, hidden),
        _AUTH: lambda call: _credentials(call, credentials),
    }
    session = secrets.token_hex(16)
    key = hashlib.sha256(f"{platform.node()}\0{context.identity}".encode(errors="surrogateescape"))
    head = [
        ("Upgrade", "h2c"),
        ("X-Docker-Expose-Session-Uuid", session),
        ("X-Docker-Expose-Session-Name", "devbox"),
        ("X-Docker-Expose-Session-Sharedkey", key.hexdigest()),
        *(("X-Docker-Expose-Session-Grpc-Method", method) for method in handlers),
    ]
    sock, first = api.upgrade("/session", {}, None, head)
    server = Server(sock, first, handlers)
    try:
        yield Session(session, files)
    finally:
        server.close()


def _secret(call: Call, hidden: Mapping[str, bytes]) -> None:
    name = text(fields(next(call.receive())), 1)
    if name not in hidden:
        raise Failed(NOT_FOUND, f"no secret {name} in devbox.yaml")
    call.send(message({1: hidden[name]}))


def _credentials(call: Call, known: Mapping[str, Any]) -> None:
    """User and password of one registry, and of no other; nothing for who never logged in."""
    host = text(fields(next(call.receive())), 1)
    names = _HUB if host in _HUB else (host, f"https://{host}", f"https://{host}/v1/")
    entry: Mapping[str, str] = next((known[name] for name in names if name in known), {})
    user, word = entry.get("username", ""), entry.get("password", "")
    if token := entry.get("identitytoken"):
        user, word = "", token
    call.send(message({1: user.encode(), 2: word.encode()}))
