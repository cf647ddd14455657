"""What `devbox pycharm` does to PyCharm itself: install into it, take out of it, make an archive for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from devbox.cli.pycharm_job import Job
from devbox.cli.pycharm_world import pull_helper
from devbox.errors import DevboxError

if TYPE_CHECKING:
    from devbox.pycharm.ides import Ide
    from devbox.pycharm.render import Wanted


def install(job: Job, ide: Ide, force: bool) -> None:
    """What belongs to the IDE itself."""
    from devbox.pycharm import render, store, strict

    facts = job.facts(job.ask_again(), False)
    wanted = render.ide(facts)
    for one in wanted:
        strict.require(one.root)
    changes = job.decided(ide.folder, wanted, force)
    if backup := store.back_up(changes, job.memory.path.parent / "backups"):
        job.note(f"the files before are in {backup}")
    job.carry_out(ide.folder, changes)
    if facts.container_sdk:
        pull_helper(job.config, job.note)
    job.data["ide"] = {"name": ide.name, "folder": str(ide.folder)}


def closed_ide(job: Job) -> Ide:
    """The IDE to install into; while it runs it would write over ours."""
    ide = job.ide()
    if ide.community:
        raise DevboxError(f"{ide.name} has no remote interpreters", next_steps=["use PyCharm Professional"])
    _must_be_closed(ide)
    return ide


def uninstall(job: Job) -> None:
    """Take out what is ours: the project's files, and every IDE that has something of it."""
    from devbox.pycharm import ides, store

    places = [Path(place) for place in job.memory.places]
    for folder in places:
        if folder != job.root:
            _must_be_closed(ides.Ide(folder.name, folder, (0, 0)))
    for folder in places:
        changes = store.plan_removal(folder, job.memory.of(folder))
        store.back_up(changes, job.memory.path.parent / "backups")
        job.carry_out(folder, changes)


def zip_settings(job: Job, target: Path, fresh: bool) -> None:
    """A settings archive: the user's files with ours in them."""
    from devbox.pycharm import archive, render, store, strict

    facts = job.facts(job.ask_again(), False)
    wanted = render.ide(facts)
    for one in wanted:
        strict.require(one.root)
    files = {one.path: store.new(one) for one in wanted} if fresh else _merged(job, wanted)
    store.write(target, archive.build(files))
    job.data["archive"] = str(target)
    job.note(f"import {target} with File > Manage IDE Settings > Import Settings")
    for limit in archive.limits(facts):
        job.note(limit)


def _merged(job: Job, wanted: list[Wanted]) -> dict[str, bytes]:
    """The user's files with ours in them, as the import shall leave them."""
    from devbox.pycharm import ides, store

    if not ides.find(ides.this_machine()) and not job.ide_name:
        raise DevboxError(
            "there are no settings here to build the archive from",
            why="the import replaces whole files, so yours would be lost",
            next_steps=["devbox pycharm --zip FILE --fresh   (for a PyCharm without settings)"],
        )
    folder = job.ide().folder
    changes = store.plan(folder, wanted, job.memory.of(folder))
    for change in changes:
        if change.problem:
            raise DevboxError("cannot be merged", where=str(change.path), why=change.problem)
        for kept in change.kept:
            job.note(f"{change.name}: {kept}")
    return {change.name: change.after for change in changes if change.after is not None}


def _must_be_closed(ide: Ide) -> None:
    from devbox.pycharm import ides

    if why := ides.running(ide, ides.this_machine()):
        why = f"{why}; it would write its settings over ours when it closes"
        raise DevboxError(f"{ide.name} is running", why=why, next_steps=["close PyCharm and try again"])
