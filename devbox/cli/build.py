"""`devbox build`: the app image, on the host's daemon, from the local Dockerfile."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from typing import TYPE_CHECKING

import typer

from devbox.cli import options
from devbox.cli.console import Console, human_size
from devbox.errors import DevboxError, UsageError
from devbox.ports.build import Builder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from devbox.config.model import Config
    from devbox.image.build import Plan, Result
    from devbox.ports.daemon import Daemon
    from devbox.ports.host import Host
    from devbox.wiring import Connection

app = typer.Typer(rich_markup_mode=None)


@app.command()
def build(
    ctx: typer.Context,
    no_cache: bool = typer.Option(False, "--no-cache", help="Run every step again."),
    pull: bool = typer.Option(False, "--pull", help="Ask the registry for newer base images."),
    target: str = typer.Option("", metavar="STAGE", help="Build this stage."),
    build_arg: list[str] = typer.Option([], metavar="NAME=VALUE", help="A build argument."),
    builder: Builder = typer.Option(
        Builder.AUTO,
        help="session: BuildKit on the host, no CLI needed; buildx: the Docker CLI here; classic: the "
        "engine's old one; auto: buildx where BUILDX_BUILDER names a builder, else session.",
    ),
    show_context: bool = typer.Option(False, "--show-context", help="List what would be sent, and stop."),
    new_dockerfile: bool = typer.Option(
        False, "--new-dockerfile", help="Write a Dockerfile.dev that fits this project, and stop."
    ),
) -> None:
    """Build the app image on the host from the local Dockerfile."""
    from devbox import wiring
    from devbox.image.build import How, plan, with_overrides

    run = options.of(ctx)
    config = with_overrides(run.load(), target=target, args=_pairs(build_arg))
    if new_dockerfile:
        _scaffold(run.console, config)
        return
    account = wiring.ssh_address(config)[0].user if config.host else ""
    wanted = plan(config, account, How(no_cache, pull, builder))
    if show_context:
        _show(run.console, wanted)
        return
    result = _on_host(run, config, wanted)
    data = {"image": result.image, "tag": result.tag, "sent": result.sent, "cached": result.cached}
    run.console.finish("build.built", f"{result.tag} {result.image}", data)


def _on_host(run: options.Options, config: Config, wanted: Plan) -> Result:
    from devbox import wiring
    from devbox.cli.asking import Terminal
    from devbox.config.model import Endpoint
    from devbox.config.paths import project_state_dir

    with ExitStack() as stack:

        @functools.cache
        def host() -> Connection:
            return stack.enter_context(wiring.open_host(config, Terminal(run.console)))

        through = None if config.docker.endpoint is Endpoint.TLS else host()
        daemon = stack.enter_context(wiring.open_daemon(config, through))
        state = project_state_dir(config.root, config.host)
        return build_image(run.console, daemon, wanted, state, host)


def build_image(
    console: Console, daemon: Daemon, wanted: Plan, state: Path, host: Callable[[], Host]
) -> Result:
    """Build and say how it went; also the first part of `devbox up`. Nothing is sent when nothing changed.

    `host` connects, where that is not done: before a real build its disk is looked at.
    """
    from devbox.image.unchanged import Memory, fingerprint, known

    memory, tag = Memory(state / "build.json"), wanted.request.tag
    mark = fingerprint(daemon, wanted)
    if same := known(daemon, memory, tag, mark):
        console.say(f"{tag} is up to date, nothing sent   (devbox build --no-cache makes it anew)", "green")
        return same
    _look_for_room(console, daemon, host)
    result = _really(console, daemon, wanted)
    if mark:
        memory.keep(tag, mark, result.image)
    return result


def _look_for_room(console: Console, daemon: Daemon, host: Callable[[], Host]) -> None:
    from devbox.image.disk import check

    try:
        link = host()
    except DevboxError as error:  # the daemon may be reached all the same
        console.warn(f"the host's disk was not looked at: {error}")
        return
    if warning := check(link, daemon):
        console.warn(warning)


def _really(console: Console, daemon: Daemon, wanted: Plan) -> Result:
    from devbox.cli.building import watched
    from devbox.image.analyse import summary
    from devbox.image.build import build as build_it

    whole = summary(wanted.context.entries())
    sizes = f"{whole.files} files, {human_size(whole.total)}"
    name = wanted.dockerfile.name
    console.say(f"building {wanted.request.tag} from {name} ({sizes} of context)")
    if whole.heavy:
        console.warn(f"the build context is {human_size(whole.total)}; see devbox build --show-context")
    with watched(console) as emit:
        result = build_it(daemon, wanted, emit)
    console.say(
        f"built {result.tag}: {result.steps} steps, {result.cached} cached, {human_size(result.sent)} sent",
        "green",
    )
    return result


def _scaffold(console: Console, config: Config) -> None:
    from pathlib import Path

    from devbox.image.detect import detect
    from devbox.image.scaffold import services_yaml, write

    found = detect(Path(config.root))
    written = write(Path(config.root), found)
    console.say(f"found: {found.kind}, Python {found.python}, {found.manager or 'no dependencies'}")
    services = services_yaml(found.services)
    if services and not config.services:
        console.say(f"services for devbox.yaml:\n\n{services}")
    data = {"kind": found.kind, "written": [str(path) for path in written], "services": services}
    console.result("\n".join(f"wrote {path}" for path in written), data)


def _show(console: Console, wanted: Plan) -> None:
    from devbox.image.analyse import summary

    entries = wanted.context.entries()
    whole = summary(entries)
    lines = [f"{entry.size:>12}  {entry.path}{'/' * (entry.kind.value == 'folder')}" for entry in entries]
    lines.append(f"{whole.files} files, {human_size(whole.total)}; the largest:")
    lines += [f"{human_size(entry.size):>12}  {entry.path}" for entry in whole.largest]
    data = {
        "files": whole.files,
        "bytes": whole.total,
        "largest": [{"path": entry.path, "bytes": entry.size} for entry in whole.largest],
        "entries": [{"path": entry.path, "kind": entry.kind.value, "bytes": entry.size} for entry in entries],
    }
    console.result("\n".join(lines), data)
    if whole.heavy:
        console.warn(
            f"the build context is {human_size(whole.total)}: name what is not needed in .dockerignore"
        )


def _pairs(arguments: list[str]) -> dict[str, str]:
    for argument in arguments:
        if "=" not in argument:
            raise UsageError(f"--build-arg wants NAME=VALUE, found {argument!r}")
    return dict(argument.split("=", 1) for argument in arguments)
