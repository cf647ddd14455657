"""Progress bars, kept apart because rich is slow to import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rich.console
import rich.progress


class _Bar:
    def __init__(self, progress: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, by: float = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=by, note=note)

    def total(self, amount: float) -> None:
        self._progress.update(self._task, total=amount)


@contextmanager
def bar(label: str, total: float | None, unit: str) -> Iterator[_Bar]:
    """A bar on stderr that goes away when the work is done."""
    amount = rich.progress.DownloadColumn() if unit == "bytes" else rich.progress.MofNCompleteColumn()
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        amount,
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[note]}"),
    )
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, progress.add_task(label, total=total, note=""))
