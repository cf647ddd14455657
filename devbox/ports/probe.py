"""Knocking at a daemon's door from the outside, as a friend, as a stranger, or in the wrong language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files: the authority to check the server by, and our certificate with its key ("" for none)."""

    ca: str
    cert: str = ""
    key: str = ""


class Outcome(Enum):
    """How a knock at the door ended. Only the last two are the daemon's own word about who may come in."""

    UNREACHABLE = "unreachable"
    SILENT = "silent"
    """TCP was accepted, and nothing came in time: that says nothing about who is let in."""
    UNTRUSTED = "untrusted"
    """The server is not the one that our authority knows: we hung up."""
    REFUSED = "refused"
    """A TLS alert, an HTTP 400 to plain HTTP, or the connection closed by the other side."""
    LET_IN = "let in"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `why` is the refusal's or the failure's own words.

    `expires`: when the server's certificate does, in seconds since the epoch (0: not seen).
    """

    outcome: Outcome
    status: int = 0
    body: bytes = b""
    why: str = ""
    expires: float = 0.0

    @property
    def reached(self) -> bool:
        """Whether TCP was accepted."""
        return self.outcome is not Outcome.UNREACHABLE

    @property
    def let_in(self) -> bool:
        """Whether the request was answered by whoever is behind the door."""
        return self.outcome is Outcome.LET_IN


class Probe(Protocol):
    """Asks the daemon at `address` one HTTP request; failures are answers, never exceptions."""

    def addresses(self, hostname: str, port: int) -> list[tuple[str, int]]:
        """Every address of the name, of both families; empty when it has none."""
        ...

    def ask(
        self,
        address: tuple[str, int],
        path: str,
        *,
        name: str = "",
        credentials: Credentials | None = None,
        method: str = "GET",
    ) -> Answer:
        """Over TLS, the server checked as `name` against the authority; without credentials in plain HTTP."""
        ...
