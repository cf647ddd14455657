"""`ports.ask.Ask` at a terminal; where nobody sits, the answer is nobody's."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from devbox.cli.console import Console


@dataclass(frozen=True, slots=True)
class Terminal:
    """Asks whoever sits at the console. `accept` is a host key's fingerprint, known from elsewhere."""

    console: Console
    accept: str = ""

    def secret(self, prompt: str) -> str | None:
        if not self.console.interactive:
            return None
        from getpass import getpass

        return getpass(prompt, stream=self.console.err)

    def confirm(self, question: str) -> bool | None:
        if self.accept and self.accept in question.split():
            return True
        if not self.console.interactive:
            return None
        self.console.err.write(f"{question} [y/N] ")
        self.console.err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
