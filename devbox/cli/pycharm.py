"""`devbox pycharm`: PyCharm's settings for this project: written, installed, archived, checked."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from devbox.cli import options, pycharm_check, pycharm_ide
from devbox.cli.pycharm_job import open_job
from devbox.errors import UsageError

app = typer.Typer(rich_markup_mode=None)


@app.command()
def pycharm(
    ctx: typer.Context,
    upload: bool = typer.Option(False, "--upload", help="Turn PyCharm's own upload on save on."),
    install: bool = typer.Option(False, "--install", help="Merge into the settings of PyCharm itself too."),
    uninstall: bool = typer.Option(False, "--uninstall", help="Take everything of devbox out again."),
    ide: str = typer.Option("", "--ide", metavar="NAME", help="Which PyCharm: PyCharm2024.1, or a folder."),
    archive: Path = typer.Option(None, "--zip", metavar="FILE", help="Write a settings archive to import."),
    fresh: bool = typer.Option(False, "--fresh", help="With --zip: from nothing, not from your settings."),
    check: bool = typer.Option(False, "--check", help="Only say what is missing or out of date."),
    version: str = typer.Option("", "--pycharm", metavar="VERSION", help="Write for this version: 2023.2."),
    force: bool = typer.Option(False, "--force", help="Take devbox's where you or PyCharm changed it."),
) -> None:
    """Write PyCharm's settings for this project; nothing of yours is overwritten."""
    run = options.of(ctx)
    _refuse_mixtures(install + uninstall + check + bool(archive), fresh and not archive)
    job = open_job(run.console, run.load(), _parsed(version), ide)
    if check:
        pycharm_check.check(job, upload)
        return
    if uninstall:
        pycharm_ide.uninstall(job)
    else:
        ide_found = pycharm_ide.closed_ide(job) if install else None
        job.write(upload, force)
        if ide_found:
            pycharm_ide.install(job, ide_found, force)
        if archive:
            pycharm_ide.zip_settings(job, archive, fresh)
    run.console.result(job.summary(), job.data)


def _refuse_mixtures(ways: int, fresh_alone: bool) -> None:
    if ways > 1:
        raise UsageError("--install, --uninstall, --zip and --check exclude each other")
    if fresh_alone:
        raise UsageError("--fresh goes with --zip", next_steps=["devbox pycharm --zip FILE --fresh"])


def _parsed(version: str) -> tuple[int, int] | None:
    if not version:
        return None
    found = re.fullmatch(r"(20\d\d)\.(\d)(?:\.\d+)*", version)
    if not found:
        raise UsageError(f"{version!r} is not a version of PyCharm", why="they look like 2024.1")
    return int(found[1]), int(found[2])
