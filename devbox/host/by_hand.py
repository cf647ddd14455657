"""The plan as a script that somebody who is root on the host runs there by hand."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from devbox.errors import HostError
from devbox.host import apply, show
from devbox.host.room import Proposal
from devbox.rendering import render


def text(proposal: Proposal) -> str:
    """The script: the staged one, its files, and its own last word instead of our proof."""
    plan, wish = proposal.plan, proposal.wish
    files = apply.by_hand(plan, proposal.facts, apply.identify(wish))
    return render(
        "host/by-hand.sh.j2",
        owner=wish.owner,
        files=[(name, base64.encodebytes(data).decode().strip()) for name, data in files.items()],
        changes=bool(plan.changes or plan.restart),
        restart=plan.restart,
        stopped=" ".join(proposal.facts.containers) if plan.stopping else "",
        again=f"devbox init {wish.host}",
        plan="".join(f"# {line}\n" for line in show.text(plan, proposal.facts).splitlines()),
    )


def write(proposal: Proposal, path: Path) -> None:
    """Write it (0600: it holds the daemon's key); a file that is there already is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text(proposal))
    except OSError as error:
        raise HostError("the script cannot be written", where=str(path), why=error.strerror or "") from error
