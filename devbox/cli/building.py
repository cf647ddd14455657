"""The view of a running build: plain lines, or on a terminal the running steps with their last words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devbox.cli.console import Console, human_size
from devbox.ports.events import Emit, Event

_SILENT = ("build.sent", "build.transfer")


@contextmanager
def watched(console: Console) -> Iterator[Emit]:
    """What takes the build's events while it runs."""
    if console.as_json or console.quiet or not console.err.isatty():
        yield lambda event: None if event.kind in _SILENT and not console.as_json else console.event(event)
        return
    with _live() as emit:
        yield emit


@contextmanager
def _live() -> Iterator[Emit]:
    """One spinner line that shows what runs; finished steps scroll up above it."""
    import rich.console

    terminal = rich.console.Console(stderr=True)
    with terminal.status("asking the daemon") as status:

        def emit(event: Event) -> None:
            if event.kind == "build.sent":
                status.update(f"sending the build context: {human_size(float(event.data['bytes']))}")
            elif event.kind == "build.output":
                status.update(_one_line(event.text))
            elif event.text:
                # Through the same console as the spinner, which otherwise writes over the line.
                terminal.print(event.text, markup=False, highlight=False, soft_wrap=True)
                status.update(_one_line(event.text) if event.kind == "build.step" else "")

        yield emit


def _one_line(text: str) -> str:
    import shutil

    from rich.markup import escape

    return escape(text[: shutil.get_terminal_size().columns - 4])
