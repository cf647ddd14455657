"""`devbox up`: build, sync, run, forward; with --watch, one window for the whole day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import typer

from devbox.cli import completing, options, project
from devbox.cli.build import build_image
from devbox.cli.options import Options
from devbox.cli.project import Project
from devbox.cli.tracing import trace_extra
from devbox.config.paths import project_state_dir
from devbox.image.build import plan
from devbox.services import model
from devbox.services.model import Extra
from devbox.services.running import account

app = typer.Typer(rich_markup_mode=None)

_BYPASS = "Docker's own rules come before those of ufw and firewalld. `devbox up` without it closes them"


@dataclass(frozen=True, slots=True)
class Wish:
    """What this `up` shall do; no services means all of them."""

    services: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    build: bool = True
    sync: bool = True
    trace: bool = False
    expose: bool = False


@app.command()
def up(
    ctx: typer.Context,
    service: list[str] = typer.Argument(
        None, help="These services only (and what they depend on).", autocompletion=completing.services
    ),
    watch: bool = typer.Option(False, "--watch", "-w", help="Stay: sync every save, follow the logs."),
    trace: bool = typer.Option(False, "--trace", help="Record spans in any Python service, unchanged."),
    expose: bool = typer.Option(False, "--expose", help="Open the ports on the host to everyone."),
    no_build: bool = typer.Option(False, "--no-build", help="Run the image as it is."),
    no_sync: bool = typer.Option(False, "--no-sync", help="Run the code as it lies on the host."),
    profile: list[str] = typer.Option([], "--profile", help="Also the services of this profile."),
) -> None:
    """Build, sync, run the services with the synced code mounted, forward their ports."""
    run = options.of(ctx)
    chosen = (tuple(service or ()), tuple(profile))
    wish = Wish(*chosen, build=not no_build, sync=not no_sync, trace=trace, expose=expose)
    with project.opened(run) as live:
        data = bring_up(run, live, wish)
        run.console.finish("up.done", summary(data), data)
        if watch:
            from devbox.cli.window import Window

            fresh = [name for group in ("created", "replaced", "restarted") for name in data[group]]
            Window(run, live).stay(wish.sync, fresh)


def bring_up(run: Options, live: Project, wish: Wish) -> dict[str, Any]:
    """Build, sync, run, forward; what was done, and where the services answer here."""
    if wish.build and any(not one.image for one in live.config.services):
        state = project_state_dir(live.config.root, live.config.host)
        build_image(run.console, live.daemon, plan(live.config, live.services.user), state, lambda: live.host)
    if wish.sync:
        from devbox.cli.sync import sync_once

        sync_once(run, live.config, live.host)
    extra = trace_extra(live.config, live.host, account(live.host)) if wish.trace else Extra()
    if wish.expose:
        run.console.warn(f"--expose opens ports on {live.host.address.hostname} to everyone: {_BYPASS}")
    started = live.services.up(wish.services, wish.profiles, extra, wish.expose)
    return {**asdict(started), "addresses": _forward(run, live, wish.services)}


def _forward(run: Options, live: Project, names: Sequence[str]) -> dict[str, list[str]]:
    wanted = {one.name for one in live.config.services if one.ports and (not names or one.name in names)}
    running = {model.service_of(one) for one in live.daemon.containers(live.services.labels) if one.running}
    if not wanted & running:
        return {}
    return project.start_forwarding(run, live.config, frozenset(wanted & running))


def summary(data: dict[str, Any]) -> str:
    words = ("created", "replaced", "restarted", "kept")
    done = [f"{word} {', '.join(data[word])}" for word in words if data[word]]
    lines = [f"up: {'; '.join(done)}"]
    for service, urls in sorted(data["addresses"].items()):
        lines += [f"  {service:<12} {url}" for url in urls]
    return "\n".join(lines)
