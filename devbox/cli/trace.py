"""`devbox trace`: which function is slow, and where a request's time went."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from devbox.cli import options
from devbox.cli.trace_views import map_view, show_view, slow_view, trace_rows
from devbox.errors import UsageError
from devbox.ports.events import Event

if TYPE_CHECKING:
    from devbox.cli.options import Options
    from devbox.ports.traces import SpoolSource
    from devbox.traces.query import Query
    from devbox.traces.store import Store

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Traces and the slowest functions.")

_SPOOL = typer.Option(
    None, "--spool", metavar="FOLDER", help="Spans of processes on this machine, from here."
)
_LOCAL = typer.Option(False, "--local", help="Spans of `devbox workload up --local`.")
_SERVICE = typer.Option("", "--service", help="Only traces in which this service takes part.")
_QUERY = typer.Argument("", help="Only traces that fit, as in the page's search.")
_WHICH = typer.Argument("last", help="A trace's id, the beginning of one, or `last`.")
POLL_SECONDS = 0.5


@app.command("ls")
def list_traces(
    ctx: typer.Context,
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
    query: str = _QUERY,
    service: str = _SERVICE,
    errors: bool = typer.Option(False, "--errors", help="Only traces with errors."),
    slowest: bool = typer.Option(False, "--slowest", help="The slowest first instead of the newest."),
    limit: int = typer.Option(20, "--limit", "-n", min=1, help="At most so many."),
) -> None:
    """List traces, the newest first.

    QUERY finds some: `service:order took>10ms`, `user.id=12`, `name:rest error`, `trace>1s`,
    `service:order >> service:user` (the second somewhere below the first), or any word.
    """
    run = options.of(ctx)
    wanted = _query(query, service, errors)
    with _collected(run, spool, local) as store:
        found = store.traces(limit, wanted, "slowest" if slowest else "newest")
        run.console.result(trace_rows(run.console, found), [asdict(one) for one in found])
        _account(run, store)


@app.command()
def show(ctx: typer.Context, trace: str = _WHICH, spool: Path | None = _SPOOL, local: bool = _LOCAL) -> None:
    """Show one trace as a waterfall over all its services."""
    run = options.of(ctx)
    with _collected(run, spool, local) as store:
        spans = list(store.spans(_resolve(store, trace)))
    run.console.result(show_view(run.console, spans), [asdict(one) for one in spans])


@app.command()
def slow(
    ctx: typer.Context,
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
    limit: int = typer.Option(20, "--limit", "-n", min=1, help="At most so many functions."),
) -> None:
    """Show the slowest functions over all traces.

    Slowest by self time: the time spent in a function itself, not in what it called.
    """
    run = options.of(ctx)
    with _collected(run, spool, local) as store:
        rows = store.functions()[:limit]
        run.console.result(slow_view(run.console, rows), [asdict(row) for row in rows])
        _account(run, store)


@app.command("map")
def service_map(ctx: typer.Context, spool: Path | None = _SPOOL, local: bool = _LOCAL) -> None:
    """Show which service calls which, how often, how slowly."""
    run = options.of(ctx)
    with _collected(run, spool, local) as store:
        edges = store.edges()
    run.console.result(map_view(run.console, edges), [asdict(edge) for edge in edges])


@app.command()
def tail(
    ctx: typer.Context,
    query: str = _QUERY,
    service: str = _SERVICE,
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
) -> None:
    """Follow traces as they come, until Ctrl-C. With --json one line per trace."""
    from devbox.traces.ingest import collect

    run = options.of(ctx)
    wanted = _query(query, service, False)
    with _source(run, spool, local) as (source, store):
        seen: dict[str, int] = {one.trace_id: one.spans for one in store.traces(1000, wanted)}
        while True:
            collect(source, store)
            store.settle()
            fresh = [one for one in store.traces(200, wanted) if seen.get(one.trace_id) != one.spans]
            for one in reversed(fresh):
                seen[one.trace_id] = one.spans
                if run.console.as_json:
                    run.console.event(Event("trace.seen", one.name, asdict(one)))
                else:
                    run.console.result(trace_rows(run.console, [one], header=False))
            time.sleep(POLL_SECONDS)


@app.command()
def export(
    ctx: typer.Context,
    trace: str = typer.Argument("all", help="A trace's id, the beginning of one, `last` or `all`."),
    form: str = typer.Option("otlp", "--format", help="otlp (JSON) or perfetto (ui.perfetto.dev)."),
    output: Path | None = typer.Option(None, "--output", "-o", metavar="FILE", help="Into a file."),
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
) -> None:
    """Write traces for other tools."""
    from devbox.traces.export import otlp, perfetto

    run = options.of(ctx)
    makers: dict[str, Any] = {"otlp": otlp, "perfetto": perfetto}
    if form not in makers:
        raise UsageError(f"unknown format {form!r}", why="known are: otlp, perfetto")
    with _collected(run, spool, local) as store:
        document = makers[form](store.spans("" if trace == "all" else _resolve(store, trace)))
    if output is None:
        run.console.result(json.dumps(document), document)
        return
    output.write_text(json.dumps(document), encoding="utf-8")
    run.console.result(f"written: {output}", {"file": str(output)})


@contextmanager
def _source(run: Options, spool: Path | None, local: bool) -> Iterator[tuple[SpoolSource, Store]]:
    """Where this run's spans come from, and the store that belongs to it."""
    from devbox import wiring
    from devbox.config.paths import project_state_dir, state_dir
    from devbox.traces.store import Store

    if spool is None and (local or run.config_file() is None):
        spool = state_dir() / "workload" / "spool"
    if spool is not None:
        folder = spool.resolve()
        store = Store(project_state_dir(str(folder), "") / "traces.db")
        try:
            yield wiring.local_spools(folder), store
        finally:
            store.close()
        return
    config = run.load()
    store = Store(project_state_dir(config.root, config.host) / "traces.db")
    try:
        with wiring.open_host(config) as host:
            yield wiring.host_spools(host, config), store
    finally:
        store.close()


@contextmanager
def _collected(run: Options, spool: Path | None, local: bool) -> Iterator[Store]:
    """The store, with everything that was recorded until now."""
    from devbox.traces.ingest import collect

    with _source(run, spool, local) as (source, store):
        found = collect(source, store)
        for name in found.unreadable:
            run.console.warn(f"not a spool of this version of devbox, left alone: {name}")
        store.settle()
        yield store


def _query(text: str, service: str, errors: bool) -> Query:
    from devbox.traces.query import parse

    terms = [text, f"service={shlex.quote(service)}" if service else "", "error" if errors else ""]
    return parse(" ".join(term for term in terms if term))


def _resolve(store: Store, trace: str) -> str:
    if trace == "last":
        newest = store.traces(1)
        if newest:
            return newest[0].trace_id
        raise UsageError("there are no traces yet", next_steps=["devbox workload load", "devbox trace ls"])
    found = store.matching(trace.lower())
    if len(found) == 1:
        return found[0]
    why = "no trace begins so" if not found else f"several begin so: {', '.join(found)}"
    raise UsageError(f"no single trace {trace!r}", why=why, next_steps=["devbox trace ls"])


def _account(run: Options, store: Store) -> None:
    """Say where spans went missing, when any did."""
    for service, account in store.accounts().items():
        if account.dropped:
            causes = {key: value for key, value in asdict(account).items() if value and key != "stored"}
            text = ", ".join(f"{key} {value}" for key, value in causes.items())
            run.console.warn(f"{service}: {account.dropped} of {account.created} spans lost ({text})")
