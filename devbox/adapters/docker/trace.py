"""BuildKit's progress: `moby.buildkit.v1.StatusResponse`, decoded by hand.

Field numbers: BuildKit's api/services/control/control.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from devbox.adapters.docker.protobuf import Fields, fields, messages, number, text
from devbox.adapters.docker.protobuf import data as data_of
from devbox.ports.build import BuildEvent, BuildWarning, Step, StepOutput, Transfer


def events(message: bytes) -> Iterator[BuildEvent]:
    """The build events of one StatusResponse."""
    status = fields(message)
    for vertex in messages(status, 1):
        yield _step(fields(vertex))
    for progress in messages(status, 2):
        yield _transfer(fields(progress))
    for log in messages(status, 3):
        read = fields(log)
        yield StepOutput(text(read, 1), data_of(read, 4))
    for warning in messages(status, 4):
        yield BuildWarning(text(fields(warning), 3))


def _step(vertex: Fields) -> Step:
    return Step(
        digest=text(vertex, 1),
        name=text(vertex, 3),
        cached=bool(number(vertex, 4)),
        started=_time(vertex, 5),
        completed=_time(vertex, 6),
        error=text(vertex, 7),
    )


def _transfer(progress: Fields) -> Transfer:
    name = text(progress, 3) or text(progress, 1)
    return Transfer(text(progress, 2), name, number(progress, 4), number(progress, 5))


def _time(found: Fields, key: int) -> float:
    """A google.protobuf.Timestamp in seconds since the epoch; 0 when absent."""
    stamp = fields(data_of(found, key))
    return number(stamp, 1) + number(stamp, 2) / 1e9 if stamp else 0.0
