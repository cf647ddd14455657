"""Which builder builds: what was asked for, or what is there; it is said in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devbox.adapters.docker import building, buildx, classic
from devbox.adapters.docker.http import Http
from devbox.ports.build import BuildContext, Builder, BuildEvent, BuildRequest, Chosen

_BUILDS = {Builder.SESSION: building.build, Builder.BUILDX: buildx.build, Builder.CLASSIC: classic.build}
_OWN = "BuildKit in the host's daemon, without a CLI"


@contextmanager
def build(api: Http, request: BuildRequest, context: BuildContext) -> Iterator[Iterator[BuildEvent]]:
    """The events of one build, the choice first; leaving early cancels it on the host."""
    choice = choose(request.builder)
    with _BUILDS[choice.builder](api, request, context) as events:

        def said_first() -> Iterator[BuildEvent]:
            yield choice
            yield from events

        yield said_first()


def choose(asked: Builder) -> Chosen:
    """A builder of the user's own can do what the daemon's cannot (other platforms, a shared cache): who
    names one means it. buildx without one would drive the same BuildKit as we do, and send more."""
    own = buildx.named()
    if asked is Builder.CLASSIC:
        return Chosen(asked, "builder: the engine's classic one, as asked")
    if asked is Builder.BUILDX:
        where = f"the builder {own} (BUILDX_BUILDER)" if own else "the host's daemon"
        return Chosen(asked, f"builder: buildx on {where}, as asked")
    if asked is Builder.SESSION or not own:
        return Chosen(Builder.SESSION, f"builder: {_OWN}")
    if why := buildx.missing():
        return Chosen(Builder.SESSION, f"builder: {_OWN}; not {own} (BUILDX_BUILDER), for {why}")
    return Chosen(Builder.BUILDX, f"builder: buildx on {own}, which BUILDX_BUILDER names")
