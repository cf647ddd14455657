"""Prepared answers to what connecting asks, and whether a connection works."""

from __future__ import annotations

from dataclasses import dataclass, field

from devbox.adapters.ssh.connection import Connection
from tests.contracts.host import answer


@dataclass
class Answers:
    """An `Ask` with prepared answers, which remembers the questions."""

    secrets: list[str | None] = field(default_factory=list)
    yes: bool | None = None
    asked: list[str] = field(default_factory=list)

    def secret(self, prompt: str) -> str | None:
        self.asked.append(prompt)
        return self.secrets.pop(0) if self.secrets else None

    def confirm(self, question: str) -> bool | None:
        self.asked.append(question)
        return self.yes


def works(connection: Connection) -> bool:
    with connection:
        return answer(connection, "echo it works") == ["it works"]
