"""Whoever can answer a question while work is under way: a person at a terminal, or nobody."""

from __future__ import annotations

from typing import Protocol


class Ask(Protocol):
    """Asks; every answer may be `None`, which means that nobody is there to give one."""

    def secret(self, prompt: str) -> str | None:
        """A passphrase or password, typed without echo."""
        ...

    def confirm(self, question: str) -> bool | None:
        """Yes or no; what is asked for is never assumed."""
        ...


class Nobody:
    """The answer of scripts, CI and background work: none."""

    def secret(self, prompt: str) -> str | None:
        return None

    def confirm(self, question: str) -> bool | None:
        return None
