"""What `devbox sync` says at its end, and how a watching process is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from devbox.cli.console import Console, human_size, human_time
from devbox.errors import EXIT_SYNC

if TYPE_CHECKING:
    from devbox.config.model import Config
    from devbox.ports.events import Emit, Event
    from devbox.sync.model import Plan
    from devbox.sync.session import Session


class Standing:
    """How the sessions of a watch stand, in one line: state, queue, rate, last file, round trip."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = sessions
        self._sent, self._before, self._since, self._rate = 0, 0, 0.0, 0.0
        for session in sessions:
            session.rounds.sent = self._count

    def _count(self, size: int) -> None:
        self._sent += size

    def line(self, now: float) -> str:
        """`now` is in seconds of a monotonic clock."""
        if now - self._since >= 1.0:
            self._rate = (self._sent - self._before) / (now - self._since)
            self._before, self._since = self._sent, now
        return " | ".join(self._one(session.status()) for session in self._sessions)

    def _one(self, status: dict[str, Any]) -> str:
        words = [str(status["state"])]
        if status["queued"]:
            words.append(f"{status['queued']} queued")
        if status["conflicts"]:
            words.append(f"{len(status['conflicts'])} in conflict")
        if status["problems"]:
            words.append(f"{len(status['problems'])} cannot be written (devbox sync --status)")
        if status["parked"]:
            words.append(f"{status['parked']} deletes wait (devbox sync --confirm-deletes)")
        if self._rate:
            words.append(f"{human_size(self._rate)}/s")
        words.append(f"{status['saves']} sent" + (f", last {status['last']}" if status["last"] else ""))
        if status["rtt"]:
            words.append(f"RTT {human_time(status['rtt'])}")
        return "; ".join(words)


_QUIET = ("sync.applied", "sync.planned")


def show_status(console: Console, config: Config) -> None:
    """Ask the watching process; exit code 4 when something waits for a person."""
    from devbox import wiring
    from devbox.sync import control

    answer = control.ask(wiring.sync_state(config), "status", timeout=10)
    if answer is None:
        console.result("nobody watches   (devbox sync --watch)", {"watching": False})
        return
    lines = [line for one in answer["sessions"] for line in _status_lines(one)]
    console.result("\n".join(lines), {"watching": True, **answer})
    if any(one["conflicts"] or one["parked"] or one["problems"] for one in answer["sessions"]):
        raise typer.Exit(EXIT_SYNC)


def _status_lines(one: dict[str, Any]) -> list[str]:
    rtt = human_time(one["rtt"]) if one["rtt"] else "?"
    last = one["last"] or "-"
    lines = [f"{one['state']}: {one['saves']} changes sent, last {last}; {one['lane']}, RTT {rtt}"]
    return lines + _left_lines(one)


def _left_lines(one: dict[str, Any]) -> list[str]:
    conflicts, parked = one["conflicts"], one.get("deletes_parked", one.get("parked", 0))
    lines = [f"  conflict: {path}: {why}" for path, why in conflicts.items()]
    lines += [f"  problem: {path}: {why}" for path, why in one.get("problems", {}).items()]
    if conflicts:
        lines.append("  next: devbox sync --take local|remote PATH")
    if parked:
        lines.append(f"  {parked} deletes wait for a yes; next: devbox sync --confirm-deletes")
    return lines


def planned(plan: Plan) -> list[tuple[str, str, str]]:
    """What a dry run shows: operation, path, reason; conflicts at the end."""
    from devbox.sync.model import printable
    from devbox.sync.outcomes import verb

    found = [(verb(one), printable(one.path), plan.reasons.get(one.path, "")) for one in plan.operations]
    return found + [("conflict", printable(one.path), one.why) for one in plan.conflicts]


def leave(console: Console, reports: Sequence[dict[str, Any]], word: str) -> None:
    """Say how it ended; exit code 4 when something is left for a person to decide."""
    lines, left = [], False
    for one in reports:
        lines += [_done_line(one, word), *_left_lines(one)]
        waits = one.get("deletes_parked", one.get("parked", 0))
        left = left or bool(one["conflicts"] or one.get("problems") or waits)
    console.finish("sync.done", "\n".join(lines), {"mappings": list(reports)})
    if left:
        raise typer.Exit(EXIT_SYNC)


def _done_line(one: dict[str, Any], word: str) -> str:
    if "put" not in one:
        return f"{word}: the watching process is {one['state']}"
    if word == "verified":
        equal = one["files"] - len(one["problems"])
        return f"verified {one['mapping']}: {equal} of {one['files']} files and links are as they should be"
    line = (
        f"{word} {one['mapping']}: {one['put']} sent ({human_size(one['bytes'])}), {one['removed']} deleted,"
        f" {one['moved']} renamed, {one['adopted']} adopted; {one['files']} files in step,"
        f" {human_time(one['seconds'])}"
    )
    return line + "".join(f"\n  left out: {path}: {why}" for path, why in one["skipped"].items())


def speaker(console: Console, chatty: bool) -> Emit:
    """Events as they are said: all of them in JSON and with -v, single files only while watching."""

    def speak(event: Event) -> None:
        if console.as_json or console.verbose or chatty or event.kind not in _QUIET:
            console.event(event)

    return speak
