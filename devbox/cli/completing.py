"""What Tab offers after a command: names out of devbox.yaml and of the shop. Never an error."""

from __future__ import annotations

import typer

from devbox.cli.options import Options
from devbox.errors import DevboxError


def services(ctx: typer.Context, incomplete: str) -> list[str]:
    """The services of this project."""
    try:
        config = (ctx.find_object(Options) or Options()).load()
    except DevboxError:
        return []
    return [one.name for one in config.services if one.name.startswith(incomplete)]


def faults(incomplete: str) -> list[str]:
    """The shop's faults."""
    from devbox.workload.switchable import KINDS

    return [one.name for one in KINDS if one.name.startswith(incomplete)]


def edges(incomplete: str) -> list[str]:
    """Who calls whom in the shop, in the spelling that needs no quotes."""
    from devbox.workload.contract import EDGES

    spelled = (edge.replace(">", ":") for edge in EDGES)
    return [edge for edge in spelled if edge.startswith(incomplete)]
