"""`devbox down|ps|logs|exec|shell|run|forward`."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import typer

from devbox.cli import completing, options, project
from devbox.cli.following import Printer
from devbox.cli.terminal import connect, is_terminal
from devbox.ports.daemon import Daemon, ExecSpec
from devbox.ports.host import Host
from devbox.services import guard, model, oneoff, plan, running
from devbox.services.following import Follower, Lines
from devbox.services.forwarding import Forwarder

_PASS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_SHELL = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"

down_app = typer.Typer(rich_markup_mode=None)
ps_app = typer.Typer(rich_markup_mode=None)
logs_app = typer.Typer(rich_markup_mode=None)
exec_app = typer.Typer(rich_markup_mode=None)
shell_app = typer.Typer(rich_markup_mode=None)
run_app = typer.Typer(rich_markup_mode=None)
forward_app = typer.Typer(rich_markup_mode=None)


@down_app.command()
def down(
    ctx: typer.Context,
    volumes: bool = typer.Option(False, "--volumes", help="Also remove this project's named volumes."),
) -> None:
    """Stop and remove this project's containers, network and forwarding; the synced code stays."""
    run = options.of(ctx)
    with project.opened(run) as live:
        ended = project.forward_state(live.config).end_owner()
        removed = live.services.down(volumes)
    text = f"removed {', '.join(removed)}" if removed else "nothing was running"
    run.console.finish("down.done", text, {"removed": removed, "forwarding_ended": ended})


@ps_app.command()
def ps(ctx: typer.Context) -> None:
    """Show this project's containers and where their ports answer here."""
    run = options.of(ctx)
    with project.opened(run) as live:
        rows = live.services.rows(project.forward_state(live.config).addresses())
    header = ("SERVICE", "STATE", "IMAGE", "ADDRESS")
    cells = [
        (
            row.service,
            f"{row.state} ({row.health})" if row.health else row.state,
            row.image,
            " ".join(row.addresses),
        )
        for row in rows
    ]
    text = run.console.table(header, cells) if rows else "no containers: devbox up"
    run.console.result(text, [asdict(row) for row in rows])


@logs_app.command()
def logs(
    ctx: typer.Context,
    service: list[str] = typer.Argument(
        None, help="These services only.", autocompletion=completing.services
    ),
    follow: bool = typer.Option(False, "--follow", "-f", help="Stay and follow, across restarts."),
    tail: int = typer.Option(200, "--tail", "-n", min=0, help="This many lines of the past, per service."),
) -> None:
    """Show what the services said, or follow what they say."""
    run = options.of(ctx)
    with project.opened(run) as live:
        names = service or [one.name for one in live.config.services]
        for name in service or []:
            if live.config.service(name) is None:
                live.services.running(name)
        printer = Printer(run.console, names, names=len(names) > 1)
        if follow:
            follower = Follower(project.reconnecting(run, live), names, printer.line, printer.event)
            follower.run(threading.Event(), dict.fromkeys(names, tail))
            return
        for container in sorted(live.services.containers(names), key=model.service_of):
            lines = Lines(model.service_of(container), printer.line)
            with live.daemon.logs(container.id, tail=tail) as pieces:
                for piece in pieces:
                    lines.take(piece)
            lines.end()


@exec_app.command(context_settings=_PASS)
def exec_(
    ctx: typer.Context,
    service: str = typer.Argument(help="The service to run it in.", autocompletion=completing.services),
    command: list[str] = typer.Argument(help="The command and its arguments."),
) -> None:
    """Run a command in a running service; its exit code is ours."""
    _execute(options.of(ctx), service, tuple(command), is_terminal())


@shell_app.command()
def shell(
    ctx: typer.Context,
    service: str = typer.Argument(help="The service to open it in.", autocompletion=completing.services),
) -> None:
    """Open a shell in a running service: bash where there is one, else sh."""
    _execute(options.of(ctx), service, ("sh", "-c", _SHELL), is_terminal())


def _execute(run: options.Options, service: str, command: tuple[str, ...], tty: bool) -> None:
    with project.opened(run) as live:
        container = live.services.running(service)
        with guard.marked(live.daemon, container.id) as mark:
            spec = ExecSpec(command, environment={**_terminal(tty), **mark}, tty=tty, stdin=True)
            attached = live.daemon.exec(container.id, spec)
            try:
                code = connect(attached, tty)
            finally:
                attached.close()
    raise typer.Exit(code)


def _terminal(tty: bool) -> dict[str, str]:
    return {"TERM": os.environ.get("TERM", "xterm")} if tty else {}


@run_app.command(context_settings=_PASS)
def run_one_off(
    ctx: typer.Context, command: list[str] = typer.Argument(help="The command and its arguments, after --.")
) -> None:
    """Run a command in a container of its own, with the same mounts and network; gone at its end."""
    run = options.of(ctx)
    with project.opened(run) as live:
        who = running.account(live.host)
        around = running.surroundings(live.config, live.daemon, who, [plan.app_service()], model.Extra())
        name = f"{live.config.scope(who.name)}-run-{secrets.token_hex(4)}"
        tty = is_terminal()
        spec = plan.one_off(live.config, around, command, name, tty)
        live.services.prepare_mounts([spec], who)
        with oneoff.opened(live.daemon, spec, _terminal(tty)) as attached:
            code = connect(attached, tty)
    raise typer.Exit(code)


@forward_app.command()
def forward(ctx: typer.Context) -> None:
    """Forward the services' ports to this machine and stay (`devbox up` does it in the background)."""
    run = options.of(ctx)
    config = project.require_host(run.load())
    state = project.forward_state(config)
    state.claim()
    stop = threading.Event()

    @contextmanager
    def connect_again() -> Iterator[tuple[Host, Daemon]]:
        with project.opened(run) as live:
            yield live.host, live.daemon

    previous = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        Forwarder(config, connect_again, state, run.console.event).run(stop)
    finally:
        signal.signal(signal.SIGTERM, previous)
        state.release()
