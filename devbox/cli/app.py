"""The command line itself: commands loaded when they are called, one place for failures and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from devbox import __version__
from devbox.cli import commands
from devbox.cli.console import Console
from devbox.cli.options import Options, global_parameters
from devbox.errors import EXIT_DEFECT, EXIT_INTERRUPTED, DevboxError

_COMPLETION = ("install_completion", "show_completion")
"""Options that typer gives to every application: here only the whole command line has them."""


class Door(TyperGroup):
    """A group whose commands are imported only when they are called or completed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return commands.names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = commands.entry(cmd_name)
        if found is None:
            return None
        module = importlib.import_module(found.module)
        command = get_command(getattr(module, found.attribute))
        command.name = found.name
        command.params = [param for param in command.params if param.name not in _COMPLETION]
        _take_globals(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except Exception as error:  # typer looks for near misses among loaded commands, and here none is
            from difflib import get_close_matches

            near = get_close_matches(args[0], commands.names(), n=1)
            if near and hasattr(error, "message"):
                error.message = f"{error.message.rstrip('.')}. Did you mean '{near[0]}'?"
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for section, entries in commands.SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(one.name, one.help) for one in entries])

    def invoke(self, ctx: Any) -> Any:
        options = ctx.ensure_object(Options)
        try:
            return super().invoke(ctx)
        except DevboxError as error:
            options.console.error(error)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            options.console.say("\nstopped")
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has had enough (`devbox logs | head`); keep the exit quiet.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_INTERRUPTED)
        except Exception as error:  # the one place where a defect ends
            if hasattr(error, "exit_code"):  # typer's own: usage errors, Exit, Abort
                raise
            sys.exit(_defect(options.console, error))


def _take_globals(command: Any) -> None:
    """Let every leaf take the global options too: `devbox build --json` is what people type."""
    for param in command.params:
        _name_value(param)
    children = getattr(command, "commands", None)
    if children is not None:
        for child in children.values():
            _take_globals(child)
        return
    taken = {name for param in command.params for name in param.opts}
    command.params.extend(global_parameters(taken))


def _name_value(param: Any) -> None:
    """The help calls values by what they are here and not by Python's types: --port PORT, service."""
    if param.param_type_name == "argument":
        param.display_type_rich = lambda **_: None  # its name says enough
        return
    described = getattr(param, "type_descriptor", getattr(param, "type", None))
    if not param.is_flag and param.metavar is None and not getattr(described, "choices", None):
        param.metavar = max(param.opts, key=len).lstrip("-").upper()


def _defect(console: Console, error: Exception) -> int:
    from devbox.config.paths import log_file

    path = log_file()
    text = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"devbox {__version__}: {' '.join(sys.argv[1:2])}\n{text}\n")
        where = f"the details are in {path}"
    except OSError:
        where = text
    stated = DevboxError("a defect of devbox", why=f"{type(error).__name__}: {error}", next_steps=[where])
    console.error(stated)
    return EXIT_DEFECT


app = typer.Typer(
    cls=Door, name="devbox", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)


def _version(wanted: bool) -> None:
    if wanted:
        Console().result(f"devbox {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Run a Python project's code in containers on a remote Linux host."""


def run() -> None:
    """Parse and run; ends the process with the documented exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    command = get_command(app)
    command.params.extend(global_parameters(set()))
    command(prog_name="devbox")


def _terminate(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
