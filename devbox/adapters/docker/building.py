"""BuildKit through the daemon's API, without any Docker CLI.

`POST /build?version=2` runs BuildKit. Without a `remote` the request's body is the context: the daemon hands
it to BuildKit as a tar behind a URL of its own (moby, builder/builder-next). Progress comes as JSON lines
with the id `moby.buildkit.trace` and a base64 StatusResponse (`trace`). Tried on 20.10.24 and 26.1.5.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from devbox.adapters.docker import tar, trace
from devbox.adapters.docker.credentials import registry_config
from devbox.adapters.docker.http import Http, Wire
from devbox.errors import BuildFailed, DaemonError
from devbox.ports.build import BuildContext, BuildEvent, BuildRequest, Built, Sent

_TRACE, _IMAGE = "moby.buildkit.trace", "moby.image.id"


@contextmanager
def build(http_api: Http, request: BuildRequest, context: BuildContext) -> Iterator[Iterator[BuildEvent]]:
    """The events of one build; leaving early cuts the connection, on which the daemon cancels the build."""
    if request.secrets:
        raise DaemonError(
            "build secrets cannot be handed over",
            why="the daemon takes them only in a BuildKit session, and this builder has none",
            next_steps=["remove build.secrets from devbox.yaml, or build with the Docker CLI and buildx"],
        )
    wire = http_api.open()
    try:
        yield _run(http_api, wire, request, context)
    finally:
        wire.cut()


def _run(api: Http, wire: Wire, request: BuildRequest, context: BuildContext) -> Iterator[BuildEvent]:
    with api.failures():
        yield from _send(api, wire, request, context)
        response = wire.getresponse()
        api.check(response)
        yield from _answers(api, response)


def _send(api: Http, wire: Wire, request: BuildRequest, context: BuildContext) -> Iterator[BuildEvent]:
    wire.putrequest("POST", api.path("/build", query(request)))
    wire.putheader("Content-Type", "application/x-tar")
    wire.putheader("Transfer-Encoding", "chunked")
    credentials = json.dumps(registry_config()).encode()
    wire.putheader("X-Registry-Config", base64.urlsafe_b64encode(credentials).decode())
    wire.endheaders()
    count = 0
    try:
        for chunk in tar.stream(context):
            wire.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            count += len(chunk)
            yield Sent(count)
        wire.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        # The daemon answered before it had read everything: what it says is the better message.
        return


def query(request: BuildRequest) -> dict[str, Any]:
    """The parameters of POST /build (Docker Engine API, ImageBuild)."""
    parameters: dict[str, Any] = {
        "version": "2",
        "t": request.tag,
        "dockerfile": request.dockerfile,
        "buildargs": dict(request.args),
        "labels": dict(request.labels),
        "rm": True,
    }
    if request.target:
        parameters["target"] = request.target
    if request.platform:
        parameters["platform"] = request.platform
    if request.no_cache:
        parameters["nocache"] = True
    if request.pull:
        parameters["pull"] = True
    if request.cache_from:
        parameters["cachefrom"] = list(request.cache_from)
    return parameters


def _answers(api: Http, response: http.client.HTTPResponse) -> Iterator[BuildEvent]:
    image = ""
    for line in response:
        if not line.strip():
            continue
        message = json.loads(line)
        if "error" in message:
            raise BuildFailed("the build failed", where=api.where, why=_why(message))
        if message.get("id") == _TRACE:
            yield from trace.events(base64.b64decode(message["aux"]))
        elif message.get("id") == _IMAGE:
            image = message["aux"]["ID"]
    if not image:
        raise BuildFailed("the build ended without an image", where=api.where, why="the connection broke")
    yield Built(image)


def _why(message: Mapping[str, Any]) -> str:
    detail = message.get("errorDetail") or {}
    return str(detail.get("message") or message["error"])
