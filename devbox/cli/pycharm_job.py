"""One run of `devbox pycharm`: asks, plans, writes, and collects what there is to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devbox.cli.asking import Terminal
from devbox.cli.console import Console
from devbox.cli.pycharm_world import ask_remote, here

if TYPE_CHECKING:
    from devbox.config.model import Config
    from devbox.pycharm.facts import Answer, Asked
    from devbox.pycharm.ides import Ide
    from devbox.pycharm.memory import Memory
    from devbox.pycharm.model import Facts
    from devbox.pycharm.records import Kept, Ours
    from devbox.pycharm.render import Plain, Wanted
    from devbox.pycharm.store import Change


def open_job(console: Console, config: Config, version: tuple[int, int] | None, ide: str) -> Job:
    """The job for this config, with what devbox remembers of earlier ones."""
    from devbox.config.paths import project_state_dir
    from devbox.pycharm.memory import Memory

    memory = Memory.load(project_state_dir(config.root, config.host) / "pycharm.json")
    return Job(console, config, memory, version, ide, {"files": [], "kept": [], "notes": []})


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
        from devbox.pycharm import assemble, render

        facts = self.facts(self.ask(), upload)
        wanted: list[Wanted | Plain] = [*render.project(facts), *render.plain()]
        self.carry_out(self.root, self.decided(self.root, wanted, force))
        for line in assemble.remarks(facts):
            self.note(line)
        self.data["reach"] = assemble.reaching(facts)
        self.data["debug"] = asdict(assemble.debugging(facts))
        self.data["asks"] = list(assemble.questions(facts))

    def decided(self, folder: Path, wanted: Sequence[Wanted | Plain], force: bool) -> list[Change]:
        """What to change there; whoever sits at the terminal is asked where others put something else."""
        from devbox.pycharm import store

        last: Mapping[str, Ours] = self.memory.of(folder)
        changes = store.plan(folder, wanted, last, store.always if force else store.never)
        news = [(change.name, one) for change in changes for one in change.kept if not one.settled]
        answers = {(name, one.path): self._take(name, one) for name, one in news}
        if not answers or None in answers.values():
            return changes
        planned = store.plan(folder, wanted, last, lambda name, place: bool(answers.get((name, place))))
        return [store.decline(change) for change in planned]

    def _take(self, name: str, kept: Kept) -> bool | None:
        """Whether to take devbox's; `None` when nobody is there to say."""
        from difflib import unified_diff

        ask = Terminal(self.console)
        if self.console.interactive:
            for line in unified_diff(kept.holds.splitlines(), kept.want.splitlines(), lineterm="", n=1):
                if not line.startswith(("---", "+++")):
                    self.console.say(line, {"-": "red", "+": "green"}.get(line[0], "dim"))
        return ask.confirm(f"{name}: take devbox's {kept.thing} instead of yours?")

    def carry_out(self, folder: Path, changes: list[Change]) -> None:
        """Make the changes, remember them, and say what was done."""
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
                self.data["kept"].append(
                    {"file": str(change.path), "what": str(kept), "new": not kept.settled}
                )

    def note(self, text: str) -> None:
        """Something to say at the end, once."""
        if text not in self.data["notes"]:
            self.data["notes"].append(text)

    def ask(self) -> Answer:
        """What the remote side says; where it says nothing, what it said last time.

        A host key that is not the known one is never passed over: `HostKeyError`.
        """
        from devbox.pycharm.facts import HOST_KEY, Answer

        asked = self.asked()
        for link, error in asked.troubles.items():
            if link == HOST_KEY:
                raise error
            step = f" ({error.next_steps[0]})" if error.next_steps else ""
            self.note(f"the {link} did not answer: {error}{step}")
        answer = asked.answer.or_else(Answer.from_data(self.memory.facts))
        self.memory.facts = answer.to_data()
        return answer

    def asked(self) -> Asked:
        """What the remote side says now."""
        from devbox.pycharm.facts import image_of, look

        return ask_remote(self.config, image_of(self.config, look(self.config)), Terminal(self.console))

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

    def ask_again(self) -> Answer:
        """What `ask` found out last."""
        from devbox.pycharm.facts import Answer

        return Answer.from_data(self.memory.facts)

    def summary(self) -> str:
        """The result for people."""
        files = self.data["files"]
        lines = [f"{entry['did']:<10}  {entry['file']}" for entry in files if entry["did"] != "unchanged"]
        if same := sum(entry["did"] == "unchanged" for entry in files):
            lines.append(f"{same} files are as they should be")
        lines += _yours(self.data["kept"])
        lines += [f"note: {text}" for text in self.data["notes"]]
        lines += [f"PyCharm will ask: {text}" for text in self.data.get("asks", [])]
        if reach := self.data.get("reach"):
            lines.append(f"to reach what PyCharm starts (and devbox up does not run too):  {reach}")
        if "debug" in self.data:
            debug = self.data["debug"]
            lines.append(
                f"to debug what PyCharm did not start: run 'devbox debug server', then  {debug['tunnel']}"
            )
            lines.append(f"  in the code:  {debug['code']}")
            lines += [f"  it needs {need}" for need in debug["needs"]]
        return "\n".join(lines) or "there is nothing of devbox to take out"


def _yours(kept: list[dict[str, Any]]) -> list[str]:
    """What stays as the user has it: each new thing on a line, the others counted."""
    lines = [f"kept        {entry['file']}: {entry['what']}" for entry in kept if entry["new"]]
    if lines:
        lines.append("            --force takes devbox's instead")
    if old := [entry for entry in kept if not entry["new"]]:
        names = ", ".join(dict.fromkeys(Path(entry["file"]).name for entry in old))
        lines.append(f"{len(old)} things stay as you have them (--force takes devbox's): {names}")
    return lines
