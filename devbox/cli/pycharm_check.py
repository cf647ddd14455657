"""`devbox pycharm --check`: whether the files say what devbox.yaml and the host say now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from devbox.cli.pycharm_job import Job
from devbox.errors import EXIT_FAILURE

if TYPE_CHECKING:
    from devbox.ports.check import Finding
    from devbox.pycharm.model import Facts


def check(job: Job, upload: bool) -> None:
    """Say what is stale; exit 1 when something is."""
    from devbox.ports.check import Verdict
    from devbox.pycharm import checks

    then, asked = job.ask_again(), job.asked()
    facts = job.facts(asked.answer.or_else(then), upload or checks.uploads(job.root))
    findings = [
        *checks.reached(asked, facts),
        *checks.remembered(asked.answer, then, facts),
        *checks.files_named(facts),
        *stale(job, facts),
    ]
    for name, finding in findings:
        job.console.finding(name, finding)
    for note in job.data["notes"]:
        job.console.say(f"note: {note}")
    failed = [name for name, finding in findings if finding.verdict is Verdict.FAILED]
    job.data["checks"] = {name: finding.verdict.value for name, finding in findings}
    said = f"stale: {', '.join(failed)}" if failed else "everything is as devbox.yaml and the host say"
    job.console.result(said, job.data)
    if failed:
        raise typer.Exit(EXIT_FAILURE)


def stale(job: Job, facts: Facts) -> Iterator[tuple[str, Finding]]:
    """Each file of the project and of the IDEs, and whether it says what these facts say."""
    from devbox.pycharm import checks, render, store

    last = job.memory.of(job.root)
    yield from checks.stale(store.plan(job.root, [*render.project(facts), *render.plain()], last))
    for place in (Path(one) for one in job.memory.places if Path(one) != job.root):
        planned = store.plan(place, render.ide(facts), job.memory.of(place))
        yield from checks.stale(planned, "devbox pycharm --install")
