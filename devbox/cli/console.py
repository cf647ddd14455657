"""The only module that prints: stdout is the result, stderr the talk."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol, TextIO

from devbox.errors import DevboxError
from devbox.ports.check import Finding, Verdict
from devbox.ports.events import Event

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "dim": 2, "bold": 1}
_MARKS = {
    Verdict.OK: ("ok", "green"),
    Verdict.WARNING: ("warn", "yellow"),
    Verdict.FAILED: ("FAIL", "red"),
    Verdict.SKIPPED: ("skip", "dim"),
}


_BACK = "\r\x1b[K"
"""To the line's begin, and clear it."""


class Progress(Protocol):
    """A running count; `advance` may be called from any thread."""

    def advance(self, by: float = 1, note: str = "") -> None: ...

    def total(self, amount: float) -> None: ...


class _Silent:
    def advance(self, by: float = 1, note: str = "") -> None:
        """Nobody watches."""

    def total(self, amount: float) -> None:
        """Nobody watches."""


@dataclass(slots=True)
class Console:
    """How this run talks. In JSON mode the result is one document (or one line per event) on stdout."""

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr
    _line: str = ""
    _lock: Lock = field(default_factory=Lock)

    @property
    def interactive(self) -> bool:
        """Whether a person sits there who can answer."""
        return sys.stdin is not None and sys.stdin.isatty() and self.err.isatty() and not self.as_json

    def paint(self, text: str, colour: str, stream: TextIO | None = None) -> str:
        """`text` in a colour where that stream shows colours (a terminal, no NO_COLOR)."""
        target = stream or self.out
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not target.isatty():
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"

    @property
    def has_status(self) -> bool:
        """Whether there is a line for how things stand: on a terminal."""
        return not self.quiet and not self.as_json and self.err.isatty()

    def status(self, text: str) -> None:
        """One line that stays below all talk and is written over, on a terminal; "" ends it."""
        if not self.has_status:
            return
        with self._lock:
            self._line = text[: os.get_terminal_size(self.err.fileno()).columns - 1]
            self.err.write(_BACK + self._line)
            self.err.flush()

    def _print(self, text: str, file: TextIO) -> None:
        with self._lock:
            if self._line:
                print(_BACK, end="", file=self.err, flush=True)
            print(text, file=file, flush=True)
            if self._line:
                print(self._line, end="", file=self.err, flush=True)

    def result(self, text: str, data: Any = None) -> None:
        """The answer of a command: `text` for people, `data` as a JSON document for programs."""
        self._print(json.dumps(data, indent=2, default=str) if self.as_json else text, self.out)

    def say(self, text: str, colour: str = "") -> None:
        """Talk on the way: stderr, silent with --quiet or --json."""
        if not self.quiet and not self.as_json:
            self._print(self.paint(text, colour, self.err) if colour else text, self.err)

    def detail(self, text: str) -> None:
        """Talk for those who asked with -v."""
        if self.verbose:
            self.say(text, "dim")

    def warn(self, text: str) -> None:
        """What the user should know even with --quiet."""
        self._print(self.paint(f"warning: {text}", "yellow", self.err), self.err)

    def event(self, event: Event) -> None:
        """One event of long work: a JSON line, or its text."""
        if self.as_json:
            self._print(json.dumps(event.as_json(time.time()), default=str), self.out)
        elif event.text:
            self.say(event.text)

    def finish(self, kind: str, text: str, data: Mapping[str, Any]) -> None:
        """The result of long work: the last line of its JSON stream, or its text on stdout."""
        if self.as_json:
            self.event(Event(kind, text, data))
        else:
            self.result(text)

    def error(self, error: DevboxError) -> None:
        """A stated failure: what, where, why, next."""
        if self.as_json:
            print(json.dumps({"error": error.as_data()}, default=str), file=self.out, flush=True)
            return
        print(f"{self.paint('error:', 'red', self.err)} {error}", file=self.err)
        for step in error.next_steps:
            print(f"  next: {step}", file=self.err)
        self.err.flush()

    def finding(self, name: str, finding: Finding) -> None:
        """One line of a check, its fix below."""
        mark, colour = _MARKS[finding.verdict]
        self.say(f"  {self.paint(f'{mark:>4}', colour, self.err)}  {name:<26} {finding.evidence}")
        if finding.fix and finding.verdict in (Verdict.FAILED, Verdict.WARNING):
            self.say(f"        fix: {finding.fix}")

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()
    ) -> str:
        """Columns as wide as their content; `right` are the columns of numbers."""
        lines = [list(header), *[[str(cell) for cell in row] for row in rows]]
        widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if column in right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def confirm(self, question: str, *, assume_yes: bool, otherwise: str) -> None:
        """Ask; with a no, or nobody to answer, a `DevboxError` that names `otherwise` as next step."""
        if assume_yes:
            return
        if not self.interactive:
            raise DevboxError(
                "needs an answer and nobody is there to give it", why=question, next_steps=[otherwise]
            )
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise DevboxError("not done: you said no", next_steps=[otherwise])

    @contextmanager
    def progress(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
        """A progress bar where stderr is a terminal, silence elsewhere. `unit` "bytes" shows sizes."""
        if self.quiet or self.as_json or not self.err.isatty():
            yield _Silent()
            return
        from devbox.cli.bars import bar

        with bar(label, total, unit) as running:
            yield running


def human_size(count: float) -> str:
    """Bytes as people read them: 12 B, 3.4 kB, 5.0 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def human_time(seconds: float) -> str:
    """A duration as people read it: 850 us, 12 ms, 3.4 s, 2 min 5 s."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms" if seconds >= 0.01 else f"{seconds * 1e3:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def plain(data: Mapping[str, Any]) -> str:
    """A small mapping as aligned lines."""
    width = max((len(key) for key in data), default=0)
    return "\n".join(f"{key:<{width}}  {value}" for key, value in data.items())
