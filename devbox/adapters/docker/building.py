"""BuildKit through the daemon's API, without any Docker CLI.

`POST /build?version=2` runs BuildKit. With `remote=client-session` it asks a session (`session`) for the
files and gets only what changed. Without a `remote` the request's body is the context: the daemon hands it to
BuildKit as a tar behind a URL of its own (moby, builder/builder-next). Progress comes as JSON lines with the
id `moby.buildkit.trace` and a base64 StatusResponse (`trace`).
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from devbox.adapters.docker import tar, trace
from devbox.adapters.docker.credentials import registry_config
from devbox.adapters.docker.http import Http, Wire
from devbox.adapters.docker.session import Session, opened
from devbox.errors import BuildFailed, DaemonError, DaemonRefused
from devbox.ports.build import BuildContext, Builder, BuildEvent, BuildRequest, Built, Sent

_TRACE, _IMAGE = "moby.buildkit.trace", "moby.image.id"


@contextmanager
def build(api: Http, request: BuildRequest, context: BuildContext) -> Iterator[Iterator[BuildEvent]]:
    """The events of one build; leaving early cuts the connection, on which the daemon cancels the build."""
    with ExitStack() as stack:
        wire = api.open()
        stack.callback(wire.cut)
        credentials = registry_config()
        try:
            session = stack.enter_context(opened(api, context, request.secrets, credentials))
        except DaemonRefused as refused:
            if request.secrets:
                raise _no_secrets(refused) from refused
            yield _run(api, wire, send_tar(api, wire, request, context, credentials))
            return
        yield _with_session(api, wire, request, session)


def _with_session(api: Http, wire: Wire, request: BuildRequest, session: Session) -> Iterator[BuildEvent]:
    """Build from what the session serves; a failure of ours is the better message than the daemon's."""
    sent = 0
    try:
        for event in _run(api, wire, _ask(api, wire, request, session)):
            yield event
            if session.files.sent != sent:
                sent = session.files.sent
                yield Sent(sent)
    except BuildFailed:
        if session.files.failure:
            raise session.files.failure from None
        raise


def _run(api: Http, wire: Wire, begin: Iterator[BuildEvent]) -> Iterator[BuildEvent]:
    with api.failures():
        yield from begin
        response = wire.getresponse()
        api.check(response)
        yield from _answers(api, response)


def _ask(api: Http, wire: Wire, request: BuildRequest, session: Session) -> Iterator[BuildEvent]:
    name = session.files.context.recipe_name
    parameters = {**query(request), "dockerfile": name, "remote": "client-session", "session": session.id}
    wire.request("POST", api.path("/build", parameters))
    yield from ()


def _no_secrets(refused: DaemonRefused) -> DaemonError:
    return DaemonError(
        "build secrets cannot be handed over",
        where=refused.where,
        why=f"the daemon takes them only in a BuildKit session, and refused one: {refused.why}",
    )


def send_tar(
    api: Http, wire: Wire, request: BuildRequest, context: BuildContext, known: Mapping[str, Any]
) -> Iterator[BuildEvent]:
    """The whole context as the request's body: for what stands between us and a session."""
    wire.putrequest("POST", api.path("/build", query(request)))
    wire.putheader("Content-Type", "application/x-tar")
    wire.putheader("Transfer-Encoding", "chunked")
    wire.putheader("X-Registry-Config", base64.urlsafe_b64encode(json.dumps(known).encode()).decode())
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
        "version": "1" if request.builder is Builder.CLASSIC else "2",
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
        again = ["devbox build   (finished steps come out of the host's cache)", "devbox doctor"]
        raise BuildFailed(
            "the build ended without an image", where=api.where, why="the connection broke", next_steps=again
        )
    yield Built(image)


def _why(message: Mapping[str, Any]) -> str:
    detail = message.get("errorDetail") or {}
    return str(detail.get("message") or message["error"])
