"""BuildKit's progress: `moby.buildkit.v1.StatusResponse`, decoded by hand.

Wire format: protocol buffers encoding guide (protobuf.dev/programming-guides/encoding). Field numbers:
BuildKit's api/services/control/control.proto. Unknown fields are skipped, so newer engines do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator

from devbox.ports.build import BuildEvent, BuildWarning, Step, StepOutput, Transfer

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Fields = dict[int, list["int | bytes"]]


def events(message: bytes) -> Iterator[BuildEvent]:
    """The build events of one StatusResponse."""
    status = fields(message)
    for vertex in _messages(status, 1):
        yield _step(fields(vertex))
    for progress in _messages(status, 2):
        yield _transfer(fields(progress))
    for log in _messages(status, 3):
        read = fields(log)
        yield StepOutput(_text(read, 1), _bytes(read, 4))
    for warning in _messages(status, 4):
        yield BuildWarning(_text(fields(warning), 3))


def fields(message: bytes) -> Fields:
    """The fields of a message by number, each with all its values in order."""
    found: Fields = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, at = int.from_bytes(message[at : at + size], "little"), at + size
        else:
            raise ValueError(f"wire type {kind} is not used by BuildKit")
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _step(vertex: Fields) -> Step:
    return Step(
        digest=_text(vertex, 1),
        name=_text(vertex, 3),
        cached=bool(_number(vertex, 4)),
        started=_time(vertex, 5),
        completed=_time(vertex, 6),
        error=_text(vertex, 7),
    )


def _transfer(progress: Fields) -> Transfer:
    name = _text(progress, 3) or _text(progress, 1)
    return Transfer(_text(progress, 2), name, _number(progress, 4), _number(progress, 5))


def _messages(found: Fields, number: int) -> list[bytes]:
    return [value for value in found.get(number, []) if isinstance(value, bytes)]


def _bytes(found: Fields, number: int) -> bytes:
    values = _messages(found, number)
    return values[-1] if values else b""


def _text(found: Fields, number: int) -> str:
    return _bytes(found, number).decode(errors="replace")


def _number(found: Fields, number: int) -> int:
    values = [value for value in found.get(number, []) if isinstance(value, int)]
    return values[-1] if values else 0


def _time(found: Fields, number: int) -> float:
    """A google.protobuf.Timestamp in seconds since the epoch; 0 when absent."""
    stamp = fields(_bytes(found, number))
    return _number(stamp, 1) + _number(stamp, 2) / 1e9 if stamp else 0.0
