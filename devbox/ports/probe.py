"""Knocking at a daemon's door from the outside, as a friend, as a stranger, or in the wrong language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files: the authority to check the server by, and our certificate with its key ("" for none)."""

    ca: str
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `reached`: TCP was accepted; `let_in`: the request was answered by the Docker API.

    `expires`: when the server's certificate does, in seconds since the epoch (0: not seen).
    """

    reached: bool
    let_in: bool = False
    status: int = 0
    body: bytes = b""
    why: str = ""
    expires: float = 0.0


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
