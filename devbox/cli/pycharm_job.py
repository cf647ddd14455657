"""One run of `devbox pycharm`: asks, plans, writes, and collects what there is to say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from devbox.cli.asking import Terminal
from devbox.cli.console import Console
from devbox.cli.pycharm_world import here, pull_helper, remote_answer
from devbox.errors import EXIT_FAILURE, DevboxError

if TYPE_CHECKING:
    from devbox.config.model import Config
    from devbox.ports.check import Finding
    from devbox.pycharm.facts import Answer
    from devbox.pycharm.ides import Ide
    from devbox.pycharm.model import Facts
    from devbox.pycharm.render import Wanted
    from devbox.pycharm.store import Change, Memory


def open_job(console: Console, config: Config, version: tuple[int, int] | None, ide: str) -> Job:
    """The job for this config, with what devbox remembers of earlier ones."""
    from devbox.config.paths import project_state_dir
    from devbox.pycharm.store import Memory

    memory = Memory.load(project_state_dir(config.root, config.host) / "pycharm.json")
    return Job(console, config, memory, version, ide, {"files": [], "notes": []})


@dataclass(slots=True)
class Job:
    """One run of the command. `data` collects what `--json` says."""

    console: Console
    config: Config
    memory: Memory
    version: tuple[int, int] | None
    ide_name: str
    data: dict[str, Any]

    @property
    def root(self) -> Path:
        return Path(self.config.root)

    def write(self, upload: bool, force: bool) -> None:
        """The project's files."""
        from devbox.pycharm import assemble, render, store

        facts = self.facts(self.ask(), upload)
        changes = store.plan(self.root, render.project(facts), self.memory.of(self.root), force)
        self._do(self.root, changes)
        for line in assemble.remarks(facts):
            self.note(line)
        self.data["debug"] = assemble.debugging(facts)
        self.data["asks"] = list(assemble.questions(facts))

    def _do(self, folder: Path, changes: list[Change]) -> None:
        from devbox.pycharm import store

        done: list[Change] = []
        try:
            for change in changes:
                store.apply(change)
                done.append(change)
        finally:
            self.memory.note(folder, done)
        self._tell(changes)

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.data["files"].append({"file": str(change.path), "did": change.verb, "why": change.problem})
            if change.problem:
                self.note(f"{change.path} was left alone: {change.problem}")
            for kept in change.kept:
                self.note(f"{change.name}: {kept}")

    def note(self, text: str) -> None:
        """Something to say at the end, once."""
        if text not in self.data["notes"]:
            self.data["notes"].append(text)

    def ask(self) -> Answer:
        """What the remote side says; where it says nothing, what it said last time."""
        from devbox.pycharm.facts import Answer

        answer = self.asked().or_else(Answer.from_data(self.memory.facts))
        self.memory.facts = answer.to_data()
        return answer

    def asked(self) -> Answer:
        """What the remote side says now."""
        from devbox.pycharm.facts import image_of, look

        image = image_of(self.config, look(self.config))
        return remote_answer(self.config, image, Terminal(self.console), self.note)

    def facts(self, answer: Answer, upload: bool) -> Facts:
        """Everything the files say; what is missing is noted."""
        from devbox.pycharm import assemble
        from devbox.pycharm.facts import look

        local = look(self.config)
        facts = assemble.assemble(self.config, local, answer, here(self.config, upload, self._version()))
        for gap in assemble.gaps(self.config, local, answer, facts):
            self.note(gap)
        self.data["interpreter"] = facts.sdk
        return facts

    def _version(self) -> tuple[int, int]:
        """The version asked for, else the chosen or newest PyCharm's, else the first of the new form."""
        from devbox.pycharm import ides
        from devbox.pycharm.model import TARGETS_SINCE

        found = [self.ide()] if self.ide_name else ides.find(ides.this_machine())
        known = found[0].version if found and found[0].version > (0, 0) else TARGETS_SINCE
        return self.version or known

    def ide(self) -> Ide:
        from devbox.pycharm import ides

        return ides.choose(ides.this_machine(), self.ide_name)

    def install(self, ide: Ide, force: bool) -> None:
        """What belongs to the IDE itself."""
        from devbox.config.model import Interpreter
        from devbox.pycharm import render, store, strict

        wanted = render.ide(self.facts(self.ask_again(), False))
        for one in wanted:
            strict.require(one.root)
        changes = store.plan(ide.folder, wanted, self.memory.of(ide.folder), force)
        if backup := store.back_up(changes, self.memory.path.parent / "backups"):
            self.note(f"the files before are in {backup}")
        self._do(ide.folder, changes)
        if self.config.pycharm.interpreter is not Interpreter.SSH:
            pull_helper(self.config, self.note)
        self.data["ide"] = {"name": ide.name, "folder": str(ide.folder)}

    def ask_again(self) -> Answer:
        """What `ask` found out last."""
        from devbox.pycharm.facts import Answer

        return Answer.from_data(self.memory.facts)

    def closed_ide(self) -> Ide:
        """The IDE to install into; while it runs it would write over ours."""
        ide = self.ide()
        if ide.community:
            raise DevboxError(
                f"{ide.name} has no remote interpreters", next_steps=["use PyCharm Professional"]
            )
        _must_be_closed(ide)
        return ide

    def uninstall(self) -> None:
        """Take out what is ours: the project's files, and every IDE that has something of it."""
        from devbox.pycharm import ides, store

        places = [Path(place) for place in self.memory.places]
        for folder in places:
            if folder != self.root:
                _must_be_closed(ides.Ide(folder.name, folder, (0, 0)))
        for folder in places:
            changes = store.plan_removal(folder, self.memory.of(folder))
            store.back_up(changes, self.memory.path.parent / "backups")
            self._do(folder, changes)

    def zip(self, target: Path, fresh: bool) -> None:
        """A settings archive: the user's files with ours in them."""
        from devbox.pycharm import archive, render, store, strict

        wanted = render.ide(self.facts(self.ask_again(), False))
        for one in wanted:
            strict.require(one.root)
        files = {one.path: store.new(one) for one in wanted} if fresh else self._merged(wanted)
        store.write(target, archive.build(files))
        self.data["archive"] = str(target)
        self.note(archive.CARRIES)

    def _merged(self, wanted: list[Wanted]) -> dict[str, bytes]:
        """The user's files with ours in them, as the import shall leave them."""
        from devbox.pycharm import ides, store

        if not ides.find(ides.this_machine()) and not self.ide_name:
            raise DevboxError(
                "there are no settings here to build the archive from",
                why="the import replaces whole files, so yours would be lost",
                next_steps=["devbox pycharm --zip FILE --fresh   (for a PyCharm without settings)"],
            )
        folder = self.ide().folder
        changes = store.plan(folder, wanted, self.memory.of(folder), force=False)
        for change in changes:
            if change.problem:
                raise DevboxError("cannot be merged", where=str(change.path), why=change.problem)
        return {change.name: change.after for change in changes if change.after is not None}

    def check(self, upload: bool) -> None:
        """Say what is stale; exit 1 when something is."""
        from devbox.ports.check import Verdict
        from devbox.pycharm import checks

        then, now = self.ask_again(), self.asked()
        facts = self.facts(now.or_else(then), upload or checks.uploads(self.root))
        findings = [*checks.remembered(now, then), *checks.files_named(facts), *self.stale(facts)]
        for name, finding in findings:
            self.console.finding(name, finding)
        for note in self.data["notes"]:
            self.console.say(f"note: {note}")
        failed = [name for name, finding in findings if finding.verdict is Verdict.FAILED]
        self.data["checks"] = {name: finding.verdict.value for name, finding in findings}
        said = f"stale: {', '.join(failed)}" if failed else "everything is as devbox.yaml and the host say"
        self.console.result(said, self.data)
        if failed:
            raise typer.Exit(EXIT_FAILURE)

    def stale(self, facts: Facts) -> Iterator[tuple[str, Finding]]:
        """Each file of the project and of the IDEs, and whether it says what these facts say."""
        from devbox.pycharm import checks, render, store

        last = self.memory.of(self.root)
        yield from checks.stale(store.plan(self.root, render.project(facts), last, False))
        for place in (Path(one) for one in self.memory.places if Path(one) != self.root):
            planned = store.plan(place, render.ide(facts), self.memory.of(place), False)
            yield from checks.stale(planned, "devbox pycharm --install")

    def summary(self) -> str:
        """The result for people."""
        files = self.data["files"]
        lines = [f"{entry['did']:<10}  {entry['file']}" for entry in files if entry["did"] != "unchanged"]
        if same := sum(entry["did"] == "unchanged" for entry in files):
            lines.append(f"{same} files are as they should be")
        lines += [f"note: {text}" for text in self.data["notes"]]
        lines += [f"PyCharm will ask: {text}" for text in self.data.get("asks", [])]
        if "debug" in self.data:
            line, tunnel = self.data["debug"]
            lines += [f"to debug: run 'devbox debug server', then  {tunnel}", f"  and in the code:  {line}"]
        return "\n".join(lines) or "there is nothing of devbox to take out"


def _must_be_closed(ide: Ide) -> None:
    from devbox.pycharm import ides

    if why := ides.running(ide, ides.this_machine()):
        why = f"{why}; it would write its settings over ours when it closes"
        raise DevboxError(f"{ide.name} is running", why=why, next_steps=["close PyCharm and try again"])
