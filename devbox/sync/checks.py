"""The sync room's links of the chain, for `devbox doctor`: what both sides agreed on, what waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.sync import glance
from devbox.sync.model import printable

_SHOWN = 3

Ask = Callable[[str], Mapping[str, Any] | None]
"""Asks the watching process; `None` when there is none."""


def checks(indexes: Mapping[str, Path], ask: Ask) -> list[Check]:
    """One check per mapping (remote folder -> its index file), one for the process that watches them all."""
    return [
        *(_of_mapping(remote, file) for remote, file in indexes.items()),
        Check("sync --watch", Stage.SYNC, lambda: _watching(ask("status"))),
    ]


def _of_mapping(remote: str, file: Path) -> Check:
    return Check(f"sync to {remote}", Stage.SYNC, lambda: _agreed(glance.glance(file)))


def _agreed(seen: glance.Glance | None) -> Finding:
    if seen is None:
        return Finding(Verdict.SKIPPED, "nothing was synced yet (devbox sync, or devbox up)")
    if seen.damaged:
        evidence = (
            f"the index cannot be read ({seen.damaged}); it is made anew, and nothing is deleted for it"
        )
        return Finding(Verdict.WARNING, evidence, "devbox sync")
    if seen.conflicts:
        paths = [printable(path) for path in seen.conflicts]
        evidence = f"changed on both sides: {_named(paths)}"
        return Finding(Verdict.WARNING, evidence, f"devbox sync --take local|remote {paths[0]}")
    if seen.intents:
        evidence = f"was broken off with {seen.intents} operations on their way"
        return Finding(Verdict.WARNING, evidence, "devbox sync")
    return Finding(Verdict.OK, f"{seen.files} files in step", data={"files": seen.files})


def _watching(answer: Mapping[str, Any] | None) -> Finding:
    if answer is None:
        return Finding(
            Verdict.SKIPPED, "nobody follows the saves (devbox sync --watch, or devbox up --watch)"
        )
    sessions = answer["sessions"]
    states = ", ".join(sorted({str(one["state"]) for one in sessions}))
    if any(one["parked"] for one in sessions):
        waiting = sum(one["parked"] for one in sessions)
        return Finding(Verdict.WARNING, f"{waiting} deletes wait for a yes", "devbox sync --confirm-deletes")
    if any(one["problems"] for one in sessions):
        paths = [path for one in sessions for path in one["problems"]]
        return Finding(Verdict.WARNING, f"{_named(paths)} cannot be written", "devbox sync --status")
    if any(one["state"] == "offline" for one in sessions):
        return Finding(Verdict.WARNING, "it has no connection and tries again", "devbox sync --status")
    saves = sum(one["saves"] for one in sessions)
    return Finding(Verdict.OK, f"{states}; {saves} changes sent")


def _named(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_SHOWN]) + (", …" if len(paths) > _SHOWN else "")
