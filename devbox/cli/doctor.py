"""`devbox doctor`: the chain from the name to the app, link by link."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from devbox.cli import options
from devbox.cli.options import Options
from devbox.config.model import Config
from devbox.errors import EXIT_FAILURE

app = typer.Typer(rich_markup_mode=None)


@app.command()
def doctor(
    ctx: typer.Context,
    bundle: Path = typer.Option(
        None,
        "--bundle",
        metavar="FILE",
        help="Also write a bug report (zip), secrets and addresses redacted.",
    ),
) -> None:
    """Walk the chain from DNS to the app; stop at the first broken link and name the fix."""
    from devbox import wiring
    from devbox.cli.asking import Terminal
    from devbox.cli.doctoring import sections
    from devbox.cli.hosting import config_of
    from devbox.doctor import chain

    run = options.of(ctx)
    console = run.console
    config = config_of(run)

    def tell(link: chain.Link) -> None:
        if link.finding is None:
            console.say(f"     -  {link.name:<24} not reached", "dim")
        else:
            console.finding(link.name, link.finding)

    with wiring.Reach(config, Terminal(console)) as reach:
        links = chain.walk(sections(config, reach, console), tell)
    broken = chain.break_in(links)
    report = {"ok": broken is None, "broken": broken.name if broken else None}
    data: dict[str, Any] = {**report, "checks": [link.as_data() for link in links]}
    console.result(_verdict(links, broken), data)
    if bundle:
        _write_bundle(run, bundle, data, config)
    if broken:
        raise typer.Exit(EXIT_FAILURE)


def _verdict(links: list[Any], broken: Any) -> str:
    if broken is None:
        looked_at = sum(link.finding.verdict.value != "skipped" for link in links)
        return f"the chain holds: {looked_at} links"
    return f"broken at {broken.name}: {broken.finding.evidence}"


def _names_of(config: Config) -> list[str]:
    """Every name of the host: as it is typed, and as ~/.ssh/config has it."""
    from devbox import wiring
    from devbox.errors import DevboxError

    user, _, host = config.host.rpartition("@")
    try:
        return [host, user, *wiring.ssh_names(config)]
    except DevboxError:
        return [host, user]


def _write_bundle(run: Options, path: Path, report: dict[str, Any], config: Config) -> None:
    import getpass
    import platform
    import socket

    from devbox import __version__
    from devbox.config.paths import log_file
    from devbox.doctor import bundle
    from devbox.doctor.redact import Redactor

    hide = Redactor([*_names_of(config), getpass.getuser(), socket.gethostname()])
    machine = {"devbox": __version__, "python": platform.python_version(), "system": platform.platform()}
    names = bundle.write(path, {**report, "machine": machine}, asdict(config), log_file(), hide)
    run.console.say(f"wrote {path} ({', '.join(names)}); read it before you send it")
