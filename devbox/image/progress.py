"""Build events as lines for people and programs, and what to say when a build failed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from devbox.errors import BuildFailed
from devbox.image.analyse import locate
from devbox.ports.build import BuildEvent, BuildWarning, Built, Chosen, Sent, Step, StepOutput, Transfer
from devbox.ports.events import Emit, Event
from devbox.ports.registry import login

_LAST = 25


@dataclass(slots=True)
class _Seen:
    number: int
    name: str
    done: bool = False
    started: bool = False
    error: str = ""
    partial: bytes = b""
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST))


@dataclass(slots=True)
class Progress:
    """Follows one build: every step gets a number, its output is told line by line."""

    emit: Emit
    steps: dict[str, _Seen] = field(default_factory=dict)
    sent: int = 0
    image: str = ""
    cached: int = 0

    def take(self, event: BuildEvent) -> None:
        """Tell what is new in the event."""
        if isinstance(event, Step):
            self._step(event)
        elif isinstance(event, StepOutput):
            self._output(event)
        elif isinstance(event, Sent):
            self.sent = event.count
            self.emit(Event("build.sent", data={"bytes": event.count}))
        elif isinstance(event, BuildWarning):
            self.emit(Event("build.warning", f"warning: {event.text}", {"text": event.text}))
        elif isinstance(event, Chosen):
            self.emit(Event("build.builder", event.text, {"builder": event.builder.value}))
        elif isinstance(event, Built):
            self.image = event.image
        elif isinstance(event, Transfer):
            data = {"name": event.name, "current": event.current, "total": event.total}
            self.emit(Event("build.transfer", data=data))

    def _step(self, step: Step) -> None:
        seen = self.steps.get(step.digest)
        if seen is None:
            seen = self.steps[step.digest] = _Seen(len(self.steps) + 1, step.name)
        if step.started and not seen.started:
            seen.started = True
            data = {"step": seen.number, "name": step.name}
            self.emit(Event("build.step", f"#{seen.number} {_short(step.name)}", data))
        if step.completed and not seen.done:
            self._finish(seen, step)

    def _finish(self, seen: _Seen, step: Step) -> None:
        seen.done = True
        seconds = max(0.0, step.completed - step.started)
        data = {"step": seen.number, "name": step.name, "seconds": round(seconds, 3), "cached": step.cached}
        if step.error:
            seen.error = step.error
            self.emit(Event("build.failed", f"#{seen.number} FAILED", {**data, "error": step.error}))
        elif step.cached:
            self.cached += 1
            self.emit(Event("build.cached", f"#{seen.number} cached", data))
        else:
            self.emit(Event("build.done", f"#{seen.number} done {seconds:.1f}s", data))

    def _output(self, output: StepOutput) -> None:
        seen = self.steps.get(output.step)
        if seen is None:
            return
        *lines, seen.partial = (seen.partial + output.data).split(b"\n")
        for raw in lines:
            line = raw.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
            seen.last.append(line)
            data = {"step": seen.number, "line": line}
            self.emit(Event("build.output", f"#{seen.number} | {line}", data))

    def failure(self, failed: BuildFailed, dockerfile: str, name: str) -> BuildFailed:
        """The failure with the step, its last lines and its place in the Dockerfile."""
        seen = next((one for one in self.steps.values() if one.error and "canceled" not in one.error), None)
        if seen is None:
            steps = failed.next_steps or ["devbox doctor", "devbox build"]
            return BuildFailed(
                "the build failed", where=failed.where or name, why=failed.why, next_steps=steps
            )
        if "no space left on device" in seen.error:
            why = f"no space left on device in {_short(seen.name)}"
            steps = [
                "docker builder prune   (on the host)",
                "docker image prune   (on the host)",
                "devbox build",
            ]
            return BuildFailed("the host's disk is full", where=failed.where, why=why, next_steps=steps)
        if step := login(seen.name.rpartition(" for ")[2], seen.error):
            what = f"the registry does not let us in: {_short(seen.name)}"
            return BuildFailed(what, where=name, why=seen.error, next_steps=[*step, "devbox build"])
        instruction = locate(seen.name, dockerfile)
        where = f"{name}:{instruction.line}" if instruction else name
        last = [*seen.last, *([seen.partial.decode(errors="replace")] if seen.partial else [])]
        said = "".join(f"\n    {line}" for line in last)
        return BuildFailed(
            f"the build failed in {_short(seen.name)}",
            where=where,
            why=_cause(seen.error) + (f"; it said last:{said}" if said else ""),
            next_steps=[f"edit {where}" if instruction else f"edit {name}", "devbox build"],
        )


def _cause(error: str) -> str:
    """`exit code: N` out of BuildKit's chain of wrapped errors, else the error itself."""
    _, found, code = error.rpartition("exit code: ")
    return f"exit code {code}" if found and code.isdigit() else error


def _short(name: str) -> str:
    first = name.split("\n", 1)[0]
    return first if len(first) <= 100 else first[:97] + "..."
