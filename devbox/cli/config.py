"""`devbox config`: what devbox.yaml says, and what it may say."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from devbox.cli import options

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="devbox.yaml as devbox understands it.")


@app.command()
def show(ctx: typer.Context) -> None:
    """Show the config with all defaults filled in."""
    run = options.of(ctx)
    data = asdict(run.load())
    run.console.result(json.dumps(data, indent=2), data)


@app.command()
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of devbox.yaml (editors complete and check with it)."""
    from devbox.config.rules import DOCUMENT

    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "devbox.yaml",
        **DOCUMENT.schema(),
    }
    options.of(ctx).console.result(json.dumps(document, indent=2), document)
