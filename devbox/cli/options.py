"""The global options: understood before the command and after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from devbox.cli.console import Console
from devbox.config.model import Config
from devbox.errors import ConfigError


@dataclass(slots=True)
class Options:
    """What the global options say, and the console that follows from them. Commands find it as `ctx.obj`."""

    directory: Path = field(default_factory=Path)
    config: Path | None = None
    host: str = ""
    console: Console = field(default_factory=Console)

    def config_file(self) -> Path | None:
        """The devbox.yaml of this run: the named one, else the nearest above the directory."""
        from devbox.config.load import find

        return self.config or find(self.directory)

    def load(self) -> Config:
        """The config, with `--host` applied; a missing file is a `ConfigError` with the way out."""
        from dataclasses import replace

        from devbox.config.load import FILE_NAME, load

        path = self.config_file()
        if path is None:
            raise ConfigError(
                f"no {FILE_NAME} here or in any folder above",
                where=str(self.directory.resolve()),
                next_steps=["devbox init USER@HOST   (prepares the host and writes devbox.yaml)"],
            )
        config = load(path)
        return replace(config, host=self.host) if self.host else config


def of(ctx: typer.Context) -> Options:
    """The options of this run."""
    options = ctx.find_object(Options)
    assert options is not None
    return options


def _directory(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        if not Path(value).is_dir():
            raise typer.BadParameter(f"no such folder: {value}")
        ctx.ensure_object(Options).directory = Path(value)


def _config(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Options).config = Path(value)


def _host(ctx: typer.Context, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Options).host = value


def _json(ctx: typer.Context, value: bool) -> None:
    ctx.ensure_object(Options).console.as_json |= value


def _quiet(ctx: typer.Context, value: bool) -> None:
    ctx.ensure_object(Options).console.quiet |= value


def _verbose(ctx: typer.Context, value: bool) -> None:
    ctx.ensure_object(Options).console.verbose |= value


def hosts(incomplete: str) -> list[str]:
    """For Tab: hosts of the ssh config; what stands before an @ stays."""
    from devbox.wiring import ssh_aliases

    user, at, begun = incomplete.rpartition("@")
    return [f"{user}{at}{name}" for name in ssh_aliases() if name.startswith(begun)]


_D, _H = "Run as if started in this folder.", "This host instead of the one in devbox.yaml."
_C, _J = "This devbox.yaml instead of the nearest one.", "The result as JSON; streams as JSON lines."


def _carrier(
    directory: str = typer.Option(
        None, "-C", metavar="DIR", callback=_directory, expose_value=False, help=_D
    ),
    config: str = typer.Option(
        None, "--config", metavar="FILE", callback=_config, expose_value=False, help=_C
    ),
    host: str = typer.Option(
        None,
        "--host",
        metavar="NAME",
        callback=_host,
        expose_value=False,
        help=_H,
        autocompletion=hosts,
    ),
    as_json: bool = typer.Option(False, "--json", callback=_json, expose_value=False, help=_J),
    quiet: bool = typer.Option(False, "--quiet", "-q", callback=_quiet, expose_value=False, help="Say less."),
    verbose: bool = typer.Option(
        False, "--verbose", "-v", callback=_verbose, expose_value=False, help="Say more."
    ),
) -> None:
    """Carries the declarations; typer makes parameters of them, commands share those."""


def global_parameters(taken: set[str]) -> list[Any]:
    """The global options as parameters of one command, without those whose names it has itself."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command()(_carrier)
    own = [param for param in get_command(app).params if param.name != "help"]
    return [param for param in own if not taken.intersection(param.opts)]
