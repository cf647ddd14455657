"""`devbox trace`: which function is slow, and where a request's time went."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import typer

from devbox.cli import options
from devbox.cli.trace_export import FORMATS, exported
from devbox.cli.trace_source import collected, functions_of, origin, query_of, resolve, say_losses
from devbox.cli.trace_views import diff_view, map_view, show_data, show_view, slow_view, trace_rows
from devbox.errors import UsageError
from devbox.ports.events import Event

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Traces and the slowest functions.")

_SPOOL = typer.Option(
    None, "--spool", metavar="FOLDER", help="Spans of processes on this machine, from here."
)
_LOCAL = typer.Option(False, "--local", help="Spans of `devbox workload up --local`.")
_SERVICE = typer.Option("", "--service", help="Only traces in which this service takes part.")
_QUERY = typer.Argument("", help="Only traces that fit, as in the page's search.")
_WHICH = typer.Argument("last", help="A trace's id, the beginning of one, or `last`.")
POLL_SECONDS = 0.5


@app.command("ui")
def page(
    ctx: typer.Context,
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
    port: int = typer.Option(4318, "--port", help="The page's port; 0 takes any that is free."),
    bind: str = typer.Option(
        "127.0.0.1", "--bind", help="The address; elsewhere than here a token is needed."
    ),
    browse: bool = typer.Option(False, "--open", help="Open it in the browser, too."),
    days: float = typer.Option(7.0, "--days", min=0.01, help="Keep traces so long."),
    forward: str = typer.Option("", "--forward", metavar="URL", help="Send all spans on, as OTLP, too."),
    bound: int = typer.Option(512, "--bound", min=1, help="Keep at most so many MiB of them."),
) -> None:
    """Show a page: the slowest functions, every trace, live.

    It also takes OTLP from any OpenTelemetry SDK (http/protobuf and http/json) at /v1/traces.
    """
    from devbox.cli.trace_ui import Wish, serve

    run = options.of(ctx)
    serve(run, origin(run, spool, local), Wish(bind, port, browse, days, bound, forward))


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
    wanted = query_of(query, service, errors)
    with collected(run, spool, local) as store:
        found = store.traces(limit, wanted, "slowest" if slowest else "newest")
        run.console.result(trace_rows(run.console, found), [asdict(one) for one in found])
        say_losses(run, store)


@app.command()
def show(ctx: typer.Context, trace: str = _WHICH, spool: Path | None = _SPOOL, local: bool = _LOCAL) -> None:
    """Show one trace as a waterfall over all its services, and what is to be said about it."""
    from devbox.traces.inspection import inspected

    run = options.of(ctx)
    with collected(run, spool, local) as store:
        found = inspected(list(store.spans(resolve(store, trace))), store.beside)
    run.console.result(show_view(run.console, found), show_data(found))


@app.command()
def slow(
    ctx: typer.Context,
    query: str = _QUERY,
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
    limit: int = typer.Option(20, "--limit", "-n", min=1, help="At most so many functions."),
) -> None:
    """Show the slowest functions over all traces, or those that fit: `age<10m`, `error`.

    Slowest by self time: the time spent in a function itself, not in what it called.
    """
    run = options.of(ctx)
    wanted = query_of(query)
    with collected(run, spool, local) as store:
        rows = functions_of(run, store, wanted if query else None)[:limit]
        run.console.result(slow_view(run.console, rows, among=bool(query)), [asdict(row) for row in rows])
        say_losses(run, store)


@app.command("map")
def service_map(ctx: typer.Context, spool: Path | None = _SPOOL, local: bool = _LOCAL) -> None:
    """Show which service calls which, how often, how slowly."""
    run = options.of(ctx)
    with collected(run, spool, local) as store:
        edges = store.edges()
    run.console.result(map_view(run.console, edges), [asdict(edge) for edge in edges])


@app.command()
def diff(
    ctx: typer.Context,
    before: str = typer.Argument(..., metavar="BEFORE", help="A search, e.g. `age>10m`."),
    after: str = typer.Argument(..., metavar="AFTER", help="Another, e.g. `age<10m`."),
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
    limit: int = typer.Option(20, "--limit", "-n", min=1, help="At most so many differences."),
) -> None:
    """Compare two sets of traces: what came, what went, what became slower.

    Place by place in the call tree. A search is what `devbox trace ls` takes;
    up to 200 traces of each are compared.
    """
    from devbox.traces.compare.analyse import compare

    run = options.of(ctx)
    sets = query_of(before), query_of(after)
    with collected(run, spool, local) as store:
        found = compare(
            *([list(store.spans(one.trace_id)) for one in store.traces(200, one)] for one in sets)
        )
    if 0 in found.traces:
        which = "before" if not found.traces[0] else "after"
        raise UsageError(f"no trace fits {which}", next_steps=["devbox trace ls"])
    rows = [{**asdict(row), "change": row.change} for row in found.differences]
    data = {"traces": found.traces, "took": found.took, "differences": rows}
    run.console.result(diff_view(run.console, found, limit), data)


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
    from devbox.traces.store import Store

    run = options.of(ctx)
    wanted = query_of(query, service)
    found = origin(run, spool, local)
    with closing(Store(found.database)) as store, found.opened(0) as source:
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
    form: str = typer.Option(
        "otlp", "--format", help="otlp (JSON), perfetto (ui.perfetto.dev) or html (one file)."
    ),
    output: Path | None = typer.Option(None, "--output", "-o", metavar="FILE", help="Into a file."),
    spool: Path | None = _SPOOL,
    local: bool = _LOCAL,
) -> None:
    """Write traces for other tools."""
    run = options.of(ctx)
    if form not in FORMATS:
        raise UsageError(f"unknown format {form!r}", why=f"known are: {', '.join(FORMATS)}")
    with collected(run, spool, local) as store:
        text = exported(store, form, "" if trace == "all" else resolve(store, trace))
    if output is None:
        # Every format but HTML is JSON already: with --json, too, the document itself is the result.
        run.console.result(text, json.loads(text) if form != "html" else {"html": text})
        return
    output.write_text(text, encoding="utf-8")
    run.console.result(f"written: {output}", {"file": str(output)})
