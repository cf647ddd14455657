"""`devbox host`: certificates and their days, shell lines for the Docker CLI, and the way back."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any

import typer

from devbox.cli import options
from devbox.cli.hosting import Session, config_of, docker_url, open_session
from devbox.cli.options import Options
from devbox.config.model import Config, Endpoint
from devbox.errors import HostError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The prepared host.")

_YES = typer.Option(False, "--yes", "-y", help="Do it without asking.")


@app.command()
def status(ctx: typer.Context) -> None:
    """Show how the host is reached and how long the certificates last."""
    from devbox import wiring
    from devbox.host.prove import ours

    run = options.of(ctx)
    config = config_of(run)
    store, record = _prepared(config)
    data: dict[str, Any] = {
        "host": config.host,
        "endpoint": record.endpoint,
        "address": docker_url(config, record.hostname),
        "context": record.context,
        "certificates": str(store.folder),
        **_days(store),
    }
    if record.endpoint == Endpoint.TLS.value:
        address = (record.hostname, record.port)
        answer = wiring.probe().ask(address, "/version", name=record.hostname, credentials=ours(store.folder))
        data["answers"] = answer.status == 200 or answer.why
        if answer.expires:
            data["server days left"] = round((answer.expires - time.time()) / 86400)
    from devbox.cli.console import plain

    run.console.result(plain(data), data)


def _days(store: Any) -> dict[str, int]:
    from devbox.host.pki import days_left

    pairs = {"authority days left": store.pair("authority"), "client days left": store.pair("client")}
    return {name: round(days_left(pair.cert, time.time())) for name, pair in pairs.items() if pair}


def _prepared(config: Config) -> Any:
    """The store and the record of the config's host, or the way to get there."""
    from devbox.host.store import Store

    store = Store(config.host)
    record = store.record()
    if record is None:
        raise HostError(
            "the host was not prepared from here",
            where=config.host or "no host in devbox.yaml",
            next_steps=[f"devbox init {config.host or 'USER@HOST'}"],
        )
    return store, record


@app.command()
def env(ctx: typer.Context) -> None:
    """Print shell lines that point the Docker CLI and SDKs at the host: eval "$(devbox host env)"."""
    run = options.of(ctx)
    config = config_of(run)
    store, record = _prepared(config)
    values = {"DOCKER_HOST": docker_url(config, record.hostname)}
    if record.endpoint != Endpoint.SSH.value:
        values |= {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(store.folder)}
    lines = ["unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    if record.endpoint != Endpoint.SSH.value:
        lines += _out_of_the_way(record.hostname)
    if record.endpoint == Endpoint.TLS_TUNNEL.value:
        lines.append(f"# and meanwhile: ssh -NL {record.port}:127.0.0.1:{record.port} {config.host}")
    run.console.result("\n".join(lines), values)


def _out_of_the_way(hostname: str) -> list[str]:
    """Lines against variables of this shell that would lead Docker's clients astray."""
    from devbox.doctor import local

    lines = []
    if local.proxied(os.environ, hostname):
        lines.append(f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{hostname}"; export no_proxy="$NO_PROXY"')
    if bundles := local.bundles(os.environ):
        lines.append(f"unset {' '.join(bundles)}   # the Docker SDK would check the host by them")
    return lines


@app.command()
def reset(ctx: typer.Context, yes: bool = _YES) -> None:
    """Put the host back as it was before devbox; what was changed since is not touched."""
    run = options.of(ctx)
    config = config_of(run)
    with open_session(run, config) as session, session.store.lock():
        done = _reset(run, session, yes)
    said = "is as it was before devbox" if done else "nothing of devbox is on it"
    run.console.finish("host.reset", f"{config.host}: {said}", {"host": config.host, "changed": done})


def _reset(run: Options, session: Session, yes: bool) -> bool:
    from devbox.host import contexts
    from devbox.host.prepare import propose_undo

    proposal = propose_undo(session.room, session.wish())
    if not proposal.plan.empty:
        agree(run, session, proposal, yes, "devbox host reset --yes")
        _carry_out(run, session, proposal)
    contexts.remove(session.store.context)
    session.store.forget()
    return not proposal.plan.empty


def _carry_out(run: Options, session: Session, proposal: Any) -> Any:
    """Do it, and show what proved it."""
    from devbox.host.prepare import carry_out

    findings = carry_out(session.room, proposal)
    for name, finding in findings:
        run.console.finding(name, finding)
    return findings


def agree(run: Options, session: Session, proposal: Any, yes: bool, otherwise: str) -> None:
    """Show the plan and ask; a refusal is an error."""
    from devbox.host import show
    from devbox.ports.events import Event

    if proposal.plan.refusals:
        first = proposal.plan.refusals[0]
        where = str(session.host.address)
        raise HostError(first.what, where=where, why=first.why, next_steps=list(first.next))
    run.console.event(Event("init.plan", show.text(proposal.plan, proposal.facts), show.data(proposal.plan)))
    if not proposal.plan.empty:
        run.console.confirm("Do this?", assume_yes=yes, otherwise=otherwise)


@app.command()
def renew(ctx: typer.Context, yes: bool = _YES) -> None:
    """Make new certificates for the daemon and for us; certificates given to others stay good."""
    run = options.of(ctx)
    config = config_of(run)
    with open_session(run, config) as session, session.store.lock():
        from devbox.host.material import Renew
        from devbox.host.prepare import propose

        proposal = propose(session.room, session.wish(), Renew.LEAVES)
        agree(run, session, proposal, yes, "devbox host renew --yes")
        session.remember(_carry_out(run, session, proposal))
        days = _days(session.store)
    run.console.finish("host.renewed", f"{config.host}: renewed, {days['client days left']} days", days)


@app.command()
def grant(
    ctx: typer.Context,
    name: str = typer.Argument(..., help="Whom the certificate is for."),
    out: Path = typer.Option(None, "--out", metavar="FILE", help="The bundle; NAME.tar when left out."),
) -> None:
    """Make one more person's client certificate, as a bundle for them. It is as good as root on the host."""
    from devbox.host.grants import bundle

    run = options.of(ctx)
    config = config_of(run)
    store, record = _prepared(config)
    path = out or Path(f"{name}.tar")
    bundle(store, name, docker_url(config, record.hostname), path, time.time())
    run.console.result(
        f"{path}: give it to {name} on a safe way; it is as good as root on {config.host}",
        {"bundle": str(path), "name": name},
    )


@app.command()
def revoke(
    ctx: typer.Context,
    name: str = typer.Argument(..., help="Whose certificate is to end."),
    yes: bool = _YES,
) -> None:
    """End a granted certificate: a new authority for the host; everybody else needs a new grant."""
    from devbox.host import grants
    from devbox.host.material import Renew
    from devbox.host.prepare import propose

    run = options.of(ctx)
    config = config_of(run)
    with open_session(run, config) as session, session.store.lock():
        others = grants.without(session.store, name)
        proposal = propose(session.room, session.wish(), Renew.ALL)
        agree(run, session, proposal, yes, f"devbox host revoke {name} --yes")
        session.remember(_carry_out(run, session, proposal))
        grants.clear(session.store)
    again = "".join(f"\n  devbox host grant {other}" for other in others)
    said = f"{config.host}: {name}'s certificate is worthless now"
    again = f"; the others need new ones:{again}" if again else ""
    run.console.finish("host.revoked", said + again, {"others": others})
