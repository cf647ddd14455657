"""The plan as people read it: unified diffs, commands, and what it means for running containers."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from devbox.host import firewall
from devbox.host.model import Change, Facts, Plan


def text(plan: Plan, facts: Facts) -> str:
    """The whole plan; "nothing to do" when it is empty."""
    if plan.empty:
        return "nothing to do"
    return "\n".join(_lines(plan, facts))


def commands(plan: Plan) -> list[str]:
    """What is run on the host once the files are in place, in its order."""
    walls = next((change for change in plan.changes if change.path == firewall.UNIT), None)
    found = [f"systemctl stop {firewall.NAME}"] if walls and walls.old else []
    found += ["systemctl daemon-reload"] if plan.changes else []
    found += [f"systemctl start {firewall.NAME}"] if walls and walls.new is not None else []
    return [*found, *_restart(plan)] if plan.restart else found


def _restart(plan: Plan) -> list[str]:
    both = ["systemctl stop docker.service docker.socket", "systemctl start docker.socket"]
    if "docker.service" in plan.resting:
        return both[:1] if "docker.socket" in plan.resting else both
    return [*(both if plan.stop_socket else ()), "systemctl restart docker.service"]


def data(plan: Plan) -> dict[str, Any]:
    """The plan for `--json`; secrets are named, not shown."""
    return {
        "changes": [_change_data(change) for change in plan.changes],
        "folders": [{"path": f.path, "mode": oct(f.mode), "owner": f.owner} for f in plan.folders],
        "commands": commands(plan),
        "restart": plan.restart,
        "stopping": list(plan.stopping),
        "warnings": list(plan.warnings),
        "refusals": [{"what": one.what, "why": one.why, "next": list(one.next)} for one in plan.refusals],
    }


def _change_data(change: Change) -> dict[str, Any]:
    shown = None if change.new is None or change.secret else change.new.decode("utf-8", errors="replace")
    return {
        "path": change.path,
        "action": "remove" if change.new is None else "change" if change.old else "add",
        "mode": oct(change.mode),
        "secret": change.secret,
        "old": change.old.text if change.old and not change.secret else None,
        "new": shown,
    }


def _lines(plan: Plan, facts: Facts) -> Iterator[str]:
    for warning in plan.warnings:
        yield f"! {warning}"
    for refusal in plan.refusals:
        yield f"! {refusal.what}: {refusal.why}" if refusal.why else f"! {refusal.what}"
    for folder in plan.folders:
        yield f"make folder {folder.path} (mode {folder.mode:o}, owner {folder.owner})"
    for change in plan.changes:
        yield from _change(change)
    if run := commands(plan):
        live = " (live-restore is on: containers keep running)" if facts.engine.live_restore else ""
        yield f"run {', then '.join(run)}{live if plan.restart else ''}"
    if plan.stopping:
        yield f"containers that stop meanwhile and are started again: {', '.join(plan.stopping)}"


def _change(change: Change) -> Iterator[str]:
    if change.path.endswith("/manifest.json"):
        said = "note in it what was changed and what was there before" if change.new else "remove it"
        yield f"{change.path}: {said}"
        return
    if change.secret or change.path.endswith(".pem"):
        verb = "replace" if change.old else "add"
        secret = ", not shown" if change.secret else ""
        added = f"{verb} {change.path} (mode {change.mode:o}{secret})"
        yield f"remove {change.path}" if change.new is None else added
        return
    before = change.old.text.splitlines() if change.old else []
    after = (change.new or b"").decode("utf-8", errors="replace").splitlines()
    source = change.path if change.old else "/dev/null"
    target = change.path if change.new is not None else "/dev/null"
    yield from difflib.unified_diff(before, after, source, target, lineterm="")
