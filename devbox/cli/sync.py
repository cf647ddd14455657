"""`devbox sync`: the local tree to the host, once or with every save."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from devbox.cli import options
from devbox.cli.asking import Terminal
from devbox.cli.options import Options
from devbox.cli.syncing import Standing, leave, planned, show_status, speaker
from devbox.errors import DevboxError, UsageError

if TYPE_CHECKING:
    from devbox.config.model import Config, Mapped
    from devbox.ports.events import Emit, Event
    from devbox.sync.model import Report
    from devbox.sync.session import Session
    from devbox.wiring import Connection

Hear = Callable[["Mapped", "Emit"], "Emit"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def sync(
    ctx: typer.Context,
    path: str = typer.Argument(
        "", help="For --take: the path, relative to the synced folder; '.' is all of it."
    ),
    watch: bool = typer.Option(False, "--watch", "-w", help="Stay, and follow every save."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would be done and why; do nothing."),
    flush: bool = typer.Option(False, "--flush", help="Return when everything saved before now is there."),
    status: bool = typer.Option(False, "--status", help="How the watching process is doing; conflicts."),
    verify: bool = typer.Option(False, "--verify", help="Compare every byte with the host; change nothing."),
    take: str = typer.Option("", metavar="local|remote", help="Resolve conflicts at PATH for this side."),
    confirm_deletes: bool = typer.Option(
        False, "--confirm-deletes", help="Do the mass of deletes that waits."
    ),
    pull: str = typer.Option("", metavar="PATH", help="Bring this file or folder of the host home."),
    chmod: str = typer.Option(
        "", metavar="MODES", help="Modes on the host, such as D2775,F664, instead of devbox.yaml's."
    ),
) -> None:
    """Bring the local tree to the host; --watch follows every save."""
    run = options.of(ctx)
    config = _with_modes(run.load(), chmod) if chmod else run.load()
    if take not in ("", "local", "remote") or (take and not path):
        raise UsageError(
            "--take wants local or remote, and a path", next_steps=["devbox sync --take local PATH"]
        )
    if path and not take:
        raise UsageError(f"unexpected argument {path!r}", next_steps=["devbox sync --help"])
    if status:
        show_status(run.console, config)
    elif watch:
        watch_until(run, config, threading.Event(), alone=True)
    elif dry_run:
        _dry_run(run, config)
    elif verify:
        leave(run.console, _act(run, config, "verify"), "verified")
    elif take or pull or confirm_deletes:
        leave(run.console, _act(run, config, _question(take, path, pull)), "synced")
    else:
        reports = sync_once(run, config, quiet=False)
        leave(run.console, reports, "flushed" if flush else "synced")


def _with_modes(config: Config, chmod: str) -> Config:
    """The config with these modes in every mapping."""
    from devbox import wiring
    from devbox.config import modes
    from devbox.sync import control

    if wrong := modes.wrong(chmod):
        raise UsageError(f"--chmod {wrong}", next_steps=["devbox sync --chmod D2775,F664"])
    if control.ask(wiring.sync_state(config), "status") is not None:
        raise UsageError(
            "--chmod comes too late: another process watches this project",
            next_steps=["write `chmod: D2775,F664` below `sync` in devbox.yaml, and start that one again"],
        )
    return replace(config, sync=tuple(replace(one, chmod=chmod) for one in config.sync))


def sync_once(
    run: Options, config: Config, host: Connection | None = None, quiet: bool = True
) -> list[dict[str, Any]]:
    """One pass over every mapping. A process that watches already is asked instead of doing it twice."""
    from devbox import wiring
    from devbox.sync import control

    answer = control.ask(wiring.sync_state(config), "flush")
    if answer is not None:
        return list(answer["sessions"])
    reports = _each(run, config, lambda session: session.run_once(), host)
    if quiet:
        for report in reports:
            for shown, why in {**report["conflicts"], **report["problems"]}.items():
                run.console.warn(f"sync: {shown}: {why}")
    return reports


def watch_until(run: Options, config: Config, stop: threading.Event, alone: bool = False) -> None:
    """Follow every save in every mapping until `stop` is set or ^C; a second devbox is refused with words.

    `alone`: nothing else talks in this window, so that its last line can say how things stand.
    """
    from devbox import wiring
    from devbox.cli.hooking import Hooking
    from devbox.sync import control

    state, emit = wiring.sync_state(config), speaker(run.console, chatty=True)
    with Hooking(run, config) as hooking, _sessions(run, config, emit, hear=hooking.hear) as sessions:
        listening = control.Control(state, lambda question: _answer(sessions, question))
        standing = Standing(sessions)
        threads = [_Follower(session, stop) for session in sessions]
        try:
            said = alone and run.console.has_status
            while not stop.wait(0.2 if said else 1.0) and all(thread.is_alive() for thread in threads):
                if said:
                    run.console.status(standing.line(time.monotonic()))
        finally:
            run.console.status("")
            listening.close()
            stop.set()
            for thread in threads:
                thread.end()
    for thread in threads:
        if thread.error:
            raise thread.error


class _Follower(threading.Thread):
    """One mapping's watch on a thread of its own."""

    def __init__(self, session: Session, stop: threading.Event) -> None:
        super().__init__(name="sync-watch", daemon=True)
        self.session, self.stopping = session, stop
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        from devbox import wiring

        try:
            self.session.watch(wiring.watch, self.stopping)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            self.error = error

    def end(self) -> None:
        self.session.wake()
        self.join(5)


def _answer(sessions: Sequence[Session], question: str) -> dict[str, Any]:
    """What the control socket says; questions beyond `status` are done by the watching threads."""
    word, _, rest = question.partition(" ")
    if word != "status":
        requests = [one.flush(_action(one, word, rest)) for one in sessions]
        for request in requests:
            request.done.wait(600)
        return {"sessions": [request.report for request in requests]}
    return {"sessions": [one.status() for one in sessions]}


def _action(session: Session, word: str, rest: str) -> Callable[[], object] | None:
    path = b"" if rest == "." else rest.encode(errors="surrogateescape")
    return {
        "take-local": lambda: session.take_local(path),
        "take-remote": lambda: session.take_remote(path),
        "pull": lambda: session.pull(path),
        "confirm": session.confirm_deletes,
        "verify": session.verify,
    }.get(word)


def _question(take: str, path: str, pull: str) -> str:
    if take:
        return f"take-{take} {path.rstrip('/') or '.'}"
    return f"pull {pull}" if pull else "confirm"


def _act(run: Options, config: Config, question: str) -> list[dict[str, Any]]:
    """Do it in the watching process when there is one, else here."""
    from devbox import wiring
    from devbox.sync import control

    answer = control.ask(wiring.sync_state(config), question)
    if answer is not None:
        reports = list(answer["sessions"])
        failed = next((one["error"] for one in reports if "error" in one), None)
        if failed:
            raise DevboxError(
                failed["what"], where=failed["where"], why=failed["why"], next_steps=failed["next"]
            )
        return reports
    word, _, rest = question.partition(" ")

    def act(session: Session) -> Report:
        action = _action(session, word, rest)
        done = action() if action else None
        return done if word in ("take-local", "confirm", "verify") else session.run_once()  # type: ignore[return-value]

    return _each(run, config, act)


def _each(
    run: Options, config: Config, work: Callable[[Session], Report], host: Connection | None = None
) -> list[dict[str, Any]]:
    """Do it in every mapping; the reports as data."""
    reports = []
    with run.console.progress("syncing", None, "bytes") as progress:
        total = [0.0]
        speak = speaker(run.console, chatty=False)

        def emit(event: Event) -> None:
            if event.kind == "sync.planned":
                total[0] += event.data["bytes"]
                progress.total(total[0])
            speak(event)

        with _sessions(run, config, emit, host) as sessions:
            for session in sessions:
                session.rounds.sent = progress.advance
                report = work(session)
                reports.append(
                    {"mapping": session.place.remote, **report.as_data(), "skipped": session.skipped()}
                )
    return reports


def _dry_run(run: Options, config: Config) -> None:
    lines: list[str] = []
    data: list[dict[str, str]] = []
    with _sessions(run, config, speaker(run.console, chatty=False)) as sessions:
        for session in sessions:
            for operation, path, reason in planned(session.dry_run()):
                shown = f"{'clash' if operation == 'conflict' else operation:<6} {path}"
                lines.append(f"{shown}   ({reason})" if reason else shown)
                data.append({"operation": operation, "path": path, "reason": reason})
    run.console.finish("sync.planned", "\n".join(lines) or "nothing to do", {"operations": data})


def _plainly(_mapping: Mapped, emit: Emit) -> Emit:
    return emit


@contextmanager
def _sessions(
    run: Options, config: Config, emit: Emit, host: Connection | None = None, hear: Hear = _plainly
) -> Iterator[list[Session]]:
    """A session per mapping, under the lock that there is only one devbox per project and host."""
    from devbox import wiring
    from devbox.sync import control

    with ExitStack() as stack:
        stack.enter_context(control.only_one(wiring.sync_state(config)))
        heard = lambda mapping: hear(mapping, emit)  # noqa: E731 - said where it is used
        yield stack.enter_context(wiring.sync_sessions(config, heard, Terminal(run.console), host))
