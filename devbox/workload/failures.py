"""What can go wrong with a call, in the words that every road carries."""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """A call that gave no result. `kind` travels; `status` is what REST says for it (RFC 9110)."""

    kind = "defect"
    status = 500


class Refused(Failure):
    """The callee understood and said no: repeating the call changes nothing."""

    kind = "refused"
    status = 422


class NotFound(Refused):
    """What was asked for does not exist."""

    kind = "not-found"
    status = 404


class Unavailable(Failure):
    """The callee could not be reached, or the link broke: the call may or may not have been carried out."""

    kind = "unavailable"
    status = 503


class DeadlineExceeded(Failure):
    """No answer in time: the call may or may not have been carried out."""

    kind = "deadline"
    status = 504


class Defect(Failure):
    """The callee failed in a way that it did not foresee."""


KINDS: tuple[type[Failure], ...] = (Refused, NotFound, Unavailable, DeadlineExceeded, Defect)


def to_data(error: BaseException) -> dict[str, Any]:
    """The failure as it travels; what is no `Failure` becomes a defect, without its traceback."""
    if isinstance(error, Failure):
        return {"kind": error.kind, "message": str(error)}
    return {"kind": Defect.kind, "message": f"{type(error).__name__}: {error}"}


def from_data(data: Any) -> Failure:
    """The failure that the callee sent; anything unreadable is a defect."""
    if not isinstance(data, dict):
        return Defect("the callee's answer is not understood")
    found = next((kind for kind in KINDS if kind.kind == data.get("kind")), Defect)
    return found(str(data.get("message", "")))
