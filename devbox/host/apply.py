"""Doing a plan on the host: one staged script for the change, a short one for the last word."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from devbox.errors import HostError, ScriptFailed
from devbox.host.model import CA, CERT, DEADLINE, DROP_IN_NAMES, KEY, Facts, Plan, Wish
from devbox.ports.events import Emit, Event
from devbox.ports.host import Finished, Host, Line, Privilege, Progress, Script, Stream
from devbox.rendering import templates_dir

PATIENCE = 75
"""Seconds that dockerd's restart may take, where the deadline is the usual one; else in proportion."""
BUSY, CHANGED, TAKEN_BACK = 75, 77, 78


@dataclass(slots=True)
class Said:
    """What a run of the transaction script said: its KEY=VALUE lines, and everything else as evidence."""

    values: dict[str, str] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)
    code: int = 0


def identify(wish: Wish) -> dict[str, str]:
    """One transaction: its `id`, whose it is, and its `deadline`."""
    whose = {"owner": wish.owner, "client": wish.client}
    return {"id": secrets.token_hex(8), **whose, "deadline": str(wish.deadline)}


def apply(host: Host, plan: Plan, facts: Facts, identity: Mapping[str, str], emit: Emit) -> Said:
    """Apply the plan; returns when dockerd runs with the new settings, unproved: `commit` is the last word.

    `identity` is that of `identify`. Raises `ScriptFailed` when the host is (again) as it was.
    """
    text = _script(_settings(plan, identity), "apply")
    privilege = Privilege.ROOT if facts.as_root else Privilege.USER
    said = _run(host, Script(text, _files(plan, facts), privilege), emit)
    if said.values.get("result") != "applied":
        raise _failed(host, said)
    return said


def by_hand(plan: Plan, facts: Facts, identity: Mapping[str, str]) -> dict[str, bytes]:
    """The stage of a run without us: `apply`, and then `commit` or `settle`, as scripts of their own."""
    scripts = {
        "apply": _script(_settings(plan, identity), "apply"),
        "commit": _script({}, "commit", identity["id"]),
        "settle": _script({}, "settle", identity["id"]),
    }
    return {**_files(plan, facts), **{name: text.encode() for name, text in scripts.items()}}


def _settings(plan: Plan, identity: Mapping[str, str]) -> dict[str, str]:
    deadline = int(identity["deadline"])
    return {
        "id": identity["id"],
        "owner": identity["owner"],
        "client": identity["client"],
        "deadline": str(deadline),
        "patience": str(min(PATIENCE, max(5, deadline * PATIENCE // DEADLINE))),
        "restart": "yes" if plan.restart else "no",
        "stop_socket": "yes" if plan.stop_socket else "no",
        "resting": " ".join(plan.resting),
        "arguments": _arguments(plan),
    }


def install(host: Host, emit: Emit) -> None:
    """Install Docker from the distribution's packages; an installed one is left alone."""
    text = (templates_dir() / "host" / "install.sh").read_text(encoding="utf-8")
    said = _run(host, Script(text, privilege=Privilege.ROOT), emit)
    if said.code:
        raise ScriptFailed(
            said.values.get("failed") or "Docker could not be installed",
            where=str(host.address),
            why="the host says:\n    " + "\n    ".join(said.evidence[-15:]),
            next_steps=["https://docs.docker.com/engine/install/   (Docker's own packages)"],
        )


def commit(host: Host, identity: str, emit: Emit) -> None:
    """The client has proved it: disarm the way back."""
    said = _run(host, Script(_script({}, "commit", identity), privilege=Privilege.ROOT), emit)
    if said.values.get("result") != "committed":
        raise _failed(host, said)


def settle(host: Host, identity: str, emit: Emit) -> None:
    """End what an earlier run left unproved (or a proof of now found wrong): the old state returns."""
    said = _run(host, Script(_script({}, "settle", identity), privilege=Privilege.ROOT), emit)
    if said.code:
        raise _failed(host, said)


def run_lines(
    host: Host, script: Script, heard: Callable[[str], None] | None = None
) -> tuple[list[str], int]:
    """The script's standard output, and its exit code."""
    lines, code = [], 0
    for progress in _running(host, script):
        if isinstance(progress, Finished):
            code = progress.code
        elif progress.stream is Stream.OUT:
            lines.append(progress.text)
            if heard:
                heard(progress.text)
    return lines, code


def _text() -> str:
    return (templates_dir() / "host" / "transaction.sh").read_text(encoding="utf-8")


def _script(settings: Mapping[str, str], *verb: str) -> str:
    head = "".join(f"{key}={shlex.quote(value)}\n" for key, value in settings.items())
    return f"{head}set -- {shlex.join(verb)}\n{_text()}"


def _arguments(plan: Plan) -> str:
    """dockerd's command line as shell text, for its own check: certificates are still in the stage then."""
    text = shlex.join(word.strip("\"'") for word in plan.arguments)
    for number, change in enumerate(plan.changes):
        if change.path in (CA, CERT, KEY) and change.new is not None:
            text = text.replace(f"={change.path}", f'="$DEVBOX_STAGE"/new/{number}')
    return text


def _files(plan: Plan, facts: Facts) -> dict[str, bytes]:
    """The stage of the apply script: the list of changes, the new files, and units for systemd to check."""
    lines, files = [], {}
    for folder in plan.folders:
        lines.append(f"folder - {folder.mode:o} {folder.owner} - {folder.path}")
    for number, change in enumerate(plan.changes):
        old = change.old.sum if change.old else "absent"
        owner = change.old.owner if change.old else "0:0"
        verb = "drop" if change.new is None else "put"
        lines.append(f"{verb} {number} {change.mode:o} {owner} {old} {change.path}")
        if change.new is not None:
            files[f"new/{number}"] = change.new
        if change.new is not None and change.path.rpartition("/")[2] in DROP_IN_NAMES:
            name = change.path.rpartition("/")[2]
            files["verify/docker.service"] = facts.files[facts.service.fragment].content or b""
            files[f"verify/docker.service.d/{name}"] = change.new
    lines += [f"empty - - - - {path}" for path in plan.emptied]
    files["changes"] = "".join(f"{line}\n" for line in lines).encode()
    files["transaction.sh"] = _text().encode()
    return files


def _run(host: Host, script: Script, emit: Emit) -> Said:
    said = Said()
    for progress in _running(host, script):
        if isinstance(progress, Line):
            _hear(said, progress, emit)
        else:
            said.code = progress.code
    return said


def _running(host: Host, script: Script) -> Iterator[Progress]:
    """What the script says; whatever happens here (^C), it does not run on behind our back."""
    running = host.run(script)
    try:
        yield from running
    finally:
        if close := getattr(running, "close", None):
            close()


def _hear(said: Said, line: Line, emit: Emit) -> None:
    key, separator, value = line.text.partition("=")
    if line.stream is Stream.OUT and separator and key in ("step", "failed", "result", "pid"):
        said.values[key] = value
        if key == "step":
            emit(Event("init.step", f"  {value}", {"step": value}))
    elif line.text.strip():
        said.evidence.append(line.text)


def _failed(host: Host, said: Said) -> HostError:
    what = said.values.get("failed") or "the change did not reach its end on the host"
    where = str(host.address)
    evidence = "\n    ".join(said.evidence[-15:])
    if said.code == BUSY:
        return HostError(
            what, where=where, next_steps=["wait for it (minutes at most), then run the same command again"]
        )
    if said.code == CHANGED:
        return HostError(what, where=where, next_steps=["run the same command again: it plans anew"])
    back = said.values.get("result") == "rolled-back"
    return ScriptFailed(
        f"{what}; the host is as it was before" if back or said.code != TAKEN_BACK else what,
        where=where,
        why=f"the host says:\n    {evidence}" if evidence else "",
        next_steps=[f"ssh -t {host.address.name} sudo journalctl -u docker.service -n 50"],
    )
