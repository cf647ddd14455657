"""`devbox init`: prepare a host, and write devbox.yaml where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from devbox.cli import options
from devbox.cli.hosting import LOCAL, Session, open_session
from devbox.cli.options import Options
from devbox.config.model import Config
from devbox.errors import HostError, UsageError
from devbox.host.model import DEADLINE

if TYPE_CHECKING:
    from devbox.host.room import Proposal

app = typer.Typer(rich_markup_mode=None)

_HOST = "[USER@]HOST or an alias of ~/.ssh/config; that of devbox.yaml when left out."
_LOCAL = "Prepare this machine itself, without SSH; the same as `devbox init localhost`."
_OPEN = "Let this machine (or --from) through the host's own firewall to the port; nobody else."
_FROM = "With --open-firewall: this address or network instead of this machine's; may be repeated."
_DEADLINE = "Seconds after which the host takes the change back by itself, when it was not proved by then."
_SCRIPT = "Change nothing; write a script for somebody who is root on the host to run there by hand."
_ACCEPT = "The host key's fingerprint, known from elsewhere: accepted without asking."


@app.command()
def init(
    ctx: typer.Context,
    host: str = typer.Argument("", metavar="[[USER@]HOST]", help=_HOST, autocompletion=options.hosts),
    yes: bool = typer.Option(False, "--yes", "-y", help="Apply the plan without asking."),
    only_plan: bool = typer.Option(False, "--plan", help="Show the plan, change nothing."),
    install: bool = typer.Option(False, "--install", help="Install Docker on the host where it is missing."),
    local: bool = typer.Option(False, "--local", help=_LOCAL),
    open_firewall: bool = typer.Option(False, "--open-firewall", help=_OPEN),
    sources: list[str] = typer.Option([], "--from", metavar="ADDRESS", help=_FROM),
    deadline: int = typer.Option(DEADLINE, "--deadline", metavar="SECONDS", min=15, max=3600, help=_DEADLINE),
    script: Path = typer.Option(None, "--script", metavar="FILE", help=_SCRIPT),
    accept: str = typer.Option("", "--accept-host-key", metavar="SHA256:…", help=_ACCEPT),
) -> None:
    """Prepare a host: Docker over mutual TLS, remote folders, Docker context; proved and undoable."""
    run = options.of(ctx)
    if local and host not in ("", LOCAL):
        raise UsageError("--local prepares this machine and takes no host", where=host)
    config = _config(run, LOCAL if local else host)
    wanted = {
        "deadline": deadline,
        "open_firewall": open_firewall or bool(sources),
        "sources": _networks(sources),
    }
    with open_session(run, config, accept) as opened:
        session = replace(opened, wanted=wanted)
        if only_plan:
            _show(run, session)
            return
        with session.store.lock():
            if script:
                _by_hand(run, session, script)
            else:
                _prepare(run, session, yes, install)
    if config.host != LOCAL:
        _write_config(run, config)


def _networks(texts: list[str]) -> tuple[str, ...]:
    from ipaddress import ip_network

    for text in texts:
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            raise UsageError("--from is an address or a network", where=text, why=str(error)) from error
    return tuple(texts)


def _config(run: Options, host: str) -> Config:
    """The project's config with the host that was typed; a small one of its own before devbox.yaml exists."""
    from devbox.config.load import parse
    from devbox.host.project import project_name, text

    path = run.config_file()
    wanted = host or run.host
    if path is None:
        if not wanted:
            raise UsageError("init which host?", next_steps=["devbox init USER@HOST"])
        folder = run.directory.resolve()
        return replace(parse(text(folder, wanted)), name=project_name(folder), root=str(folder))
    config = run.load()
    if not (wanted or config.host):
        raise UsageError("init which host?", where=str(path), next_steps=["devbox init USER@HOST"])
    if wanted and config.host and wanted != config.host:
        run.console.warn(f"{path} says host: {config.host}; preparing {wanted}, the file stays as it is")
    return replace(config, host=wanted or config.host)


def _show(run: Options, session: Session) -> None:
    from devbox.host import show

    proposal = session.propose()
    data = {"host": session.config.host, "plan": show.data(proposal.plan)}
    run.console.result(show.text(proposal.plan, proposal.facts), data)


def _install(run: Options, session: Session, yes: bool) -> None:
    """Docker itself, where it is missing: a decision of its own, asked for before everything else."""
    from devbox.host import apply

    host = session.config.host
    run.console.confirm(
        f"Install Docker on {host} from its distribution's packages?",
        assume_yes=yes,
        otherwise=f"devbox init {host} --install --yes",
    )
    apply.install(session.host, run.console.event)


def _prepare(run: Options, session: Session, yes: bool, install: bool) -> None:
    from devbox.host import show
    from devbox.host.prepare import carry_out
    from devbox.ports.events import Event

    proposal = session.propose()
    if install and not proposal.facts.dockerd:
        _install(run, session, yes)
        proposal = session.propose()
    found, plan = proposal.facts, proposal.plan
    run.console.say(f"{session.config.host}: {found.distribution}, {found.dockerd_version or 'no Docker'}")
    _refuse(run, session, proposal)
    run.console.event(Event("init.plan", show.text(plan, found), show.data(plan)))
    if not plan.empty:
        run.console.confirm("Do this?", assume_yes=yes, otherwise=f"devbox init {session.config.host} --yes")
    findings = carry_out(session.room, proposal)
    for name, finding in findings:
        run.console.finding(name, finding)
    session.remember(findings)
    said = "nothing to do, all proved" if plan.empty else "prepared and proved"
    context = session.store.context
    data = {"host": session.config.host, "changed": not plan.empty, "context": context}
    run.console.finish(
        "init.done", f"{session.config.host}: {said}; docker --context {context} version", data
    )


def _refuse(run: Options, session: Session, proposal: Proposal) -> None:
    """What stands in the way, as an error."""
    plan = proposal.plan
    if plan.refusals:
        for warning in plan.warnings:
            run.console.warn(warning)
        first = plan.refusals[0]
        where = str(session.host.address)
        raise HostError(first.what, where=where, why=first.why, next_steps=list(first.next))


def _by_hand(run: Options, session: Session, path: Path) -> None:
    """The plan as a script; our certificates are kept, so that the next `init` can prove it."""
    from devbox.host import by_hand, material
    from devbox.host.prepare import propose

    proposal = propose(session.room, replace(session.wish(), by_hand=True))
    _refuse(run, session, proposal)
    if proposal.plan.empty:
        run.console.finish("init.done", f"{session.config.host}: nothing to do", {"changed": False})
        return
    by_hand.write(proposal, path)
    if proposal.material is not None:
        material.keep(session.store, proposal.material)
    copied = (
        f"scp {path} {session.host.address.name}: && ssh -t {session.host.address.name} sudo sh {path.name}"
    )
    text = (
        f"wrote {path}: give it to somebody who is root on {session.config.host}, on a safe way\n"
        f"  it is run there as: sudo sh {path.name}   (or from here: {copied})\n"
        f"  then: devbox init {session.config.host}   (proves it)"
    )
    run.console.finish("init.script", text, {"script": str(path)})


def _write_config(run: Options, config: Config) -> None:
    """devbox.yaml, and a Dockerfile where there is none, by what the project's own files say."""
    from devbox.host.project import write
    from devbox.image.scaffold import scaffold

    if config.file or run.config_file() is not None:
        return
    made = scaffold(Path(config.root))
    path = write(Path(config.root), config.host, made.services, made.restart, made.container)
    run.console.say(f"found: {made.said}")
    for written in [*made.written, *([path] if path else [])]:
        run.console.say(f"wrote {written}")
    run.console.say("look at them, then: devbox up")
