"""`devbox workload`: the shop, to see devbox on something real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from devbox.cli import completing, options
from devbox.cli.console import human_time
from devbox.cli.options import Options
from devbox.cli.project import forward_state, opened
from devbox.errors import UsageError

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The shop: traced microservices to try.")
faults_app = typer.Typer(
    rich_markup_mode=None, invoke_without_command=True, help="Faults on switches, while it runs."
)
app.add_typer(faults_app, name="faults")

_LOCAL = typer.Option(False, "--local", help="As processes of this machine: no Docker, no network.")
_URL = typer.Option("", "--url", help="The gateway; found by itself when the shop runs on this machine.")


_IN_CONTAINERS = (
    "devbox workload up --local",
    "devbox --host USER@HOST up   (in a checkout of devbox: the shop in containers on the host)",
)


def _state() -> Path:
    from devbox.config.paths import state_dir

    return state_dir() / "workload"


@app.command()
def up(
    ctx: typer.Context,
    local: bool = _LOCAL,
    port: int = typer.Option(8080, "--port", help="The gateway's port (with --local)."),
    traces: int = typer.Option(4318, "--traces", help="The trace page's port (with --local); 0 for none."),
) -> None:
    """Start the shop: with --local on this machine, else in containers on the host (from a checkout)."""
    run = options.of(ctx)
    if not local:
        _up_on_host(run)
        return
    from devbox.workload import local as shops

    shop = shops.up(_state(), port, traces, run.console.say)
    for moved in shop.moved:
        run.console.warn(moved)
    if not shop.nginx:
        run.console.say("nginx is not installed: a small gateway of devbox's own stands in for it")
    ready = f"ready in {human_time(shop.seconds)}" if shop.fresh else "runs already"
    lines = [
        f"the shop is {ready}: {shop.gateway}" if shop.fresh else f"the shop {ready}: {shop.gateway}",
        *([f"its traces: {shop.traces}"] if shop.traces else []),
        "next:",
        "  devbox workload load      (orders, and how long they take)",
        "  devbox trace slow --local (where the time went)",
        "  devbox workload faults    (make something slow, then look again)",
        "  devbox workload down",
    ]
    run.console.result("\n".join(lines), shop.as_data())


def _up_on_host(run: Options) -> None:
    from devbox.cli.up import Wish, bring_up, summary

    _require_checkout(run)
    with opened(run) as live:
        data = bring_up(run, live, Wish())
    run.console.finish("up.done", summary(data), data)


def _require_checkout(run: Options) -> None:
    """The containers run this project's own devbox.yaml: anywhere else `--local` is what works."""
    file = run.config_file()
    if file is None or not (file.parent / "devbox" / "workload").is_dir():
        raise UsageError("the shop in containers needs a checkout of devbox", next_steps=_IN_CONTAINERS)


@app.command()
def down(ctx: typer.Context, local: bool = _LOCAL) -> None:
    """Stop the shop on this machine; without one (and without --local) the one on the host."""
    run = options.of(ctx)
    from devbox.workload import local as shops

    if not local and shops.find(_state()) is None and run.config_file() is not None:
        _require_checkout(run)
        with opened(run) as live:
            forward_state(live.config).end_owner()
            removed = live.services.down()
        run.console.result("the shop is down" if removed else "no shop was running", {"ended": bool(removed)})
        return
    ended = shops.down(_state())
    run.console.result("the shop is down" if ended else "no shop was running", {"ended": ended})


@app.command()
def load(
    ctx: typer.Context,
    rate: float = typer.Option(50.0, "--rate", min=0.1, help="Requests per second, on average."),
    seconds: float = typer.Option(10.0, "--seconds", min=0.1, help="How long."),
    ramp: float = typer.Option(0.0, "--ramp", min=0.0, help="Seconds until the full rate is reached."),
    seed: int = typer.Option(1, "--seed", help="The same seed asks the same at the same moments."),
    url: str = _URL,
    report: Path = typer.Option(None, "--report", metavar="FILE", help="Write a page (HTML) about it."),
) -> None:
    """Load the shop: open loop, latencies counted from when each request was due."""
    from devbox.cli.workload_load import drive
    from devbox.workload.load.scenario import Scenario

    data, text = drive(options.of(ctx).console, _gateway(url), Scenario(rate, seconds, ramp, seed), report)
    if data["slowest_trace"]:
        where = " --local" if not url and _is_local() else ""
        text += f"\nslowest: devbox trace show {data['slowest_trace']}{where}"
    options.of(ctx).console.result(text, data)


def _is_local() -> bool:
    from devbox.workload import local as shops

    return shops.find(_state()) is not None


def _gateway(url: str) -> str:
    """The gateway that is meant: the named one, the shop on this machine, or the forwarded usual port."""
    from devbox.workload import local as shops
    from devbox.workload.places import LOOPBACK
    from devbox.workload.settings import GATEWAY_PORT

    if url:
        return url if "://" in url else f"http://{url}"
    found = shops.find(_state())
    return found.gateway if found else f"http://{LOOPBACK}:{GATEWAY_PORT}"


@faults_app.callback()
def faults(ctx: typer.Context, url: str = _URL) -> None:
    """Show the faults there are, and which are on."""
    if ctx.invoked_subcommand is None:
        _show(options.of(ctx), _client(url).state())


@faults_app.command()
def on(
    ctx: typer.Context,
    name: str = typer.Argument(
        ..., help="The fault, as `devbox workload faults` lists it.", autocompletion=completing.faults
    ),
    at: str = typer.Option("", "--at", help="The function it strikes, such as Payments.charge."),
    value: float = typer.Option(None, "--value", help="How hard, in the fault's unit."),
    url: str = _URL,
) -> None:
    """Switch a fault on."""
    _show(options.of(ctx), _client(url).fault_on(name, at, value))


@faults_app.command()
def off(
    ctx: typer.Context,
    name: str = typer.Argument(
        "", help="The fault; all of them when left out.", autocompletion=completing.faults
    ),
    at: str = typer.Option("", "--at", help="Only where it strikes this function."),
    url: str = _URL,
) -> None:
    """Switch a fault off, or all of them."""
    _show(options.of(ctx), _client(url).fault_off(name, at))


@app.command()
def road(
    ctx: typer.Context,
    edge: str = typer.Argument(
        "", help="Such as order>payment (quote it), or order:payment.", autocompletion=completing.edges
    ),
    way: str = typer.Argument(
        "",
        metavar="ROAD",
        help="rest, rpc, grpc, dubbo, queue, redis, rabbitmq or kafka: what the shop has open.",
    ),
    url: str = _URL,
) -> None:
    """Show the roads between the services, or let one edge take another."""
    run = options.of(ctx)
    client = _client(url)
    if bool(edge) != bool(way):
        raise UsageError(
            "wants both an edge and a road", next_steps=["devbox workload road order:payment rest"]
        )
    state = client.take_road(edge.replace(":", ">"), way) if edge else client.state()
    rows = [(name.replace(">", " -> "), taken) for name, taken in state["roads"].items()]
    run.console.result(run.console.table(("edge", "road"), rows), state["roads"])


def _client(url: str) -> Any:
    from devbox.workload.client import Shop

    return Shop(_gateway(url))


def _show(run: Options, state: dict[str, Any]) -> None:
    struck = {(fault["name"], fault["at"]): fault["value"] for fault in state["faults"]}
    rows = []
    for kind in state["kinds"]:
        places = [at for name, at in struck if name == kind["name"]] or [""]
        for at in places:
            value = struck.get((kind["name"], at), kind["value"])
            shown = f"{value:g} {kind['unit']}"
            rows.append(("on" if at else "", kind["name"], at or kind["at"], shown, kind["help"]))
    text = run.console.table(("", "fault", "at", "how hard", "what happens"), rows)
    run.console.result(text, {"on": state["faults"], "kinds": state["kinds"]})
