"""Whether what is on disk is what devbox.yaml and the host say now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from devbox.config.model import Interpreter
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.pycharm.facts import DOCKER, HOST, HOST_KEY, IMAGE, Answer, Asked
from devbox.pycharm.model import Facts, Folder
from devbox.pycharm.store import Change, read
from devbox.pycharm.xml import Malformed, parse

_FIX = "devbox pycharm"
_SILENT = "was not asked: the host or the image does not answer"


def stale(changes: Iterable[Change], fix: str = _FIX) -> Iterator[tuple[str, Finding]]:
    """One finding per file."""
    for change in changes:
        if change.problem:
            found = Finding(Verdict.FAILED, change.problem, f"mend or remove {change.path}, then {fix}")
        elif change.before != change.after:
            found = Finding(Verdict.FAILED, "missing" if change.before is None else "is not up to date", fix)
        elif change.kept:
            kept = "; ".join(str(one) for one in change.kept)
            found = Finding(Verdict.WARNING, kept, f"{fix} --force takes devbox's")
        else:
            found = Finding(Verdict.OK, "as devbox.yaml and the host say")
        yield change.name, found


def up_to_date(written: bool, findings: Callable[[], Iterable[tuple[str, Finding]]]) -> Check:
    """All files in one link of doctor's chain: stale ones are a warning, none at all is nobody's fault."""

    def probe() -> Finding:
        if not written:
            return Finding(Verdict.SKIPPED, f"no settings of devbox are written here ({_FIX})")
        found = list(findings())
        bad = [(name, one) for name, one in found if one.verdict is Verdict.FAILED]
        if not bad:
            return Finding(Verdict.OK, f"{len(found)} files say what devbox.yaml says")
        evidence = "; ".join(f"{name} {one.evidence}" for name, one in bad)
        return Finding(Verdict.WARNING, evidence, bad[0][1].fix)

    return Check("PyCharm's files", Stage.IDE, probe)


def reached(asked: Asked, facts: Facts) -> Iterator[tuple[str, Finding]]:
    """The links that the settings rest on, as they are now: host key, Docker, image, remote folders."""
    if silent := asked.troubles.get(HOST):
        yield HOST, Finding(Verdict.WARNING, f"was not asked: {silent}", "devbox doctor")
        return
    known = f"{facts.ssh.label} shows the known one"
    for link, evidence in {HOST_KEY: known, DOCKER: _daemon(facts), IMAGE: facts.tagged}.items():
        if facts.interpreter is Interpreter.SSH and link in (DOCKER, IMAGE):
            continue
        if trouble := asked.troubles.get(link):
            fix = trouble.next_steps[0] if trouble.next_steps else "devbox doctor"
            yield link, Finding(Verdict.FAILED, str(trouble), fix)
            return
        yield link, Finding(Verdict.OK, evidence)
        if link == HOST_KEY:
            yield from (_mapping(folder, asked.answer) for folder in facts.folders)


def _daemon(facts: Facts) -> str:
    return "through SSH" if facts.over_ssh else f"{facts.api_url} lets these certificates in"


def _mapping(folder: Folder, answer: Answer) -> tuple[str, Finding]:
    name = f"mapping {folder.local or '.'}"
    if folder.remote in answer.absent:
        return name, Finding(Verdict.FAILED, f"{folder.remote} is not on the host", "devbox sync")
    return name, Finding(Verdict.OK, f"{folder.remote} is there")


def remembered(now: Answer, then: Answer, facts: Facts) -> Iterator[tuple[str, Finding]]:
    """Whether what the remote side says is still what the files were made from."""
    pairs = {
        "remote home": (now.home, then.home),
        "image interpreter": (now.container_python, then.container_python),
        "host interpreter": (now.host_python, then.host_python),
    }
    for name, (current, before) in pairs.items():
        if name == "image interpreter" and facts.interpreter is Interpreter.SSH:
            continue
        if not current:
            yield name, Finding(Verdict.WARNING, _SILENT, "devbox doctor")
        elif before and current != before:
            yield name, Finding(Verdict.FAILED, f"was {_word(before)}, is {_word(current)}", _FIX)
        else:
            yield name, Finding(Verdict.OK, _word(current))


def _word(value: object) -> str:
    path, version = getattr(value, "path", ""), getattr(value, "version", "")
    return f"{path} ({version})" if path else str(value)


def files_named(facts: Facts) -> Iterator[tuple[str, Finding]]:
    """Whether what the settings point to on this machine is there."""
    if not facts.over_ssh:
        missing = [
            name
            for name in ("ca.pem", "cert.pem", "key.pem")
            if not os.access(Path(facts.certificates) / name, os.R_OK)
        ]
        evidence = f"{', '.join(missing)} missing in " if missing else ""
        yield (
            "certificates",
            Finding(
                Verdict.FAILED if missing else Verdict.OK,
                evidence + facts.certificates,
                f"devbox init {facts.host}" if missing else "",
            ),
        )
    if facts.ssh.key:
        there = os.access(facts.ssh.key, os.R_OK)
        verdict = Verdict.OK if there else Verdict.FAILED
        yield "ssh key", Finding(verdict, facts.ssh.key, "" if there else "mend ~/.ssh/config")


def uploads(root: Path) -> bool:
    """Whether PyCharm's automatic upload is on in this project."""
    try:
        data = read(root / ".idea" / "deployment.xml")
        document = parse(data) if data is not None else None
    except Malformed:
        return False
    if document is None:
        return False
    values = {node.get("autoUpload") for node in document.root.walk()}
    return bool(values - {None, "", "Never"})


def both_ways(root: Path, watching: Callable[[], bool]) -> Check:
    """PyCharm's upload and `devbox sync --watch` must not both run: one undoes the other's work."""

    def probe() -> Finding:
        upload = uploads(root)
        if upload and watching():
            return Finding(
                Verdict.WARNING,
                "PyCharm uploads on save while devbox sync --watch runs",
                "devbox pycharm (turns the upload off), or stop devbox sync --watch",
            )
        return Finding(Verdict.OK, f"PyCharm's upload is {'on' if upload else 'off'}")

    return Check("one way of syncing", Stage.IDE, probe)
