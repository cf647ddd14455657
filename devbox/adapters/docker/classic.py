"""The classic builder, for those who ask for it: `POST /build?version=1`, the whole context as the body.

It answers with the lines that `docker build` shows (Docker Engine API, ImageBuild): `Step 2/5 : RUN …`, what
the step said, ` ---> Using cache`, and the image's id as an `aux` message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from devbox.adapters.docker.building import send_tar
from devbox.adapters.docker.credentials import registry_config
from devbox.adapters.docker.http import Http
from devbox.errors import BuildFailed, ConfigError
from devbox.ports.build import BuildContext, BuildEvent, BuildRequest, Built, Step, StepOutput

_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_MARK = re.compile(r" ---> ")


@contextmanager
def build(api: Http, request: BuildRequest, context: BuildContext) -> Iterator[Iterator[BuildEvent]]:
    """The events of one build; leaving early cuts the connection, on which the daemon cancels the build."""
    if request.secrets:
        raise ConfigError("the classic builder takes no secrets", next_steps=["devbox build   (BuildKit)"])
    with ExitStack() as stack:
        wire = api.open()
        stack.callback(wire.cut)

        def events() -> Iterator[BuildEvent]:
            with api.failures():
                yield from send_tar(api, wire, request, context, registry_config())
                response = wire.getresponse()
                api.check(response)
                yield from _Steps(api.where).read(json.loads(line) for line in response if line.strip())

        yield events()


class _Steps:
    """The lines as steps: one begins where the one before it ends."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.step: Step | None = None
        self.image = ""

    def read(self, messages: Iterable[dict[str, Any]]) -> Iterator[BuildEvent]:
        for message in messages:
            if "error" in message:
                yield from self._end(error=message["error"])
                raise BuildFailed("the build failed", where=self.where, why=message["error"])
            if "ID" in (message.get("aux") or {}):
                self.image = message["aux"]["ID"]
            yield from self._line(message.get("stream", ""))
        yield from self._end()
        if not self.image:
            again = ["devbox build --builder classic", "devbox doctor"]
            raise BuildFailed(
                "the build ended without an image",
                where=self.where,
                why="the connection broke",
                next_steps=again,
            )
        yield Built(self.image)

    def _line(self, text: str) -> Iterator[BuildEvent]:
        begun = _STEP.match(text)
        if begun:
            yield from self._end()
            number, whole, words = begun.groups()
            self.step = Step(f"step-{number}", f"[{number}/{whole}] {words.rstrip()}", started=1.0)
            yield self.step
        elif text == " ---> Using cache\n":
            yield from self._end(cached=True)
        elif self.step and text and not _MARK.match(text):
            yield StepOutput(self.step.digest, text.encode())

    def _end(self, cached: bool = False, error: str = "") -> Iterator[BuildEvent]:
        if self.step:
            done, self.step = self.step, None
            yield Step(done.digest, done.name, cached, done.started, done.started, error)
