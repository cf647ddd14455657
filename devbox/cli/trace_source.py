"""Where `devbox trace` gets its spans from, and the store that belongs to it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devbox.cli.options import Options
from devbox.errors import HostError, UsageError

if TYPE_CHECKING:
    from devbox.ports.traces import SpoolSource
    from devbox.traces.analyse import Slow
    from devbox.traces.query import Query
    from devbox.traces.store import Store

NEAR, FAR = 0.05, 0.5
"""Seconds between looks at a folder here, and at a host's: that is a script and two round trips."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One place where spans come from. `mappings`: folders as its processes see them -> folders here; `own`:
    its processes run on this machine, their paths are ours; `pause`: seconds between looks at its spools.
    `opened` takes a port of ours that takes OTLP, for programs there to reach (0: there is none).
    """

    title: str
    project: str
    database: Path
    opened: Callable[[int], AbstractContextManager[SpoolSource]]
    mappings: Sequence[tuple[str, Path]] = ()
    own: bool = False
    pause: float = NEAR


def origin(run: Options, spool: Path | None, local: bool) -> Origin:
    """What this run is about: a folder of this machine, the local shop, or the config's host."""
    from devbox.config.paths import project_state_dir, state_dir

    shop = state_dir() / "workload" / "spool"
    if spool is None and (local or run.config_file() is None):
        spool = shop
    if spool is None:
        return _on_host(run)
    from devbox import wiring

    folder = spool.resolve()
    title = "the shop on this machine" if folder == shop.resolve() else str(folder)
    database = project_state_dir(str(folder), "") / "traces.db"
    return Origin(
        title, Path.cwd().name, database, lambda _port: nullcontext(wiring.local_spools(folder)), own=True
    )


def _on_host(run: Options) -> Origin:
    config = run.load()
    from devbox import wiring
    from devbox.config.paths import project_state_dir

    @contextmanager
    def opened(port: int) -> Iterator[SpoolSource]:
        with wiring.open_host(config) as host, ExitStack() as stack:
            if port:
                try:
                    stack.enter_context(host.receive(port, port))
                except HostError as error:  # the spools are what matters; OTLP there is for those who need it
                    run.console.warn(
                        f"{error.what}: OTLP of programs on the host does not arrive; {error.why}"
                    )
            yield wiring.host_spools(host, config)

    mappings = [(one.container, Path(config.root, one.local)) for one in config.sync]
    title = f"{config.name} on {config.host.rpartition('@')[2]}"
    database = project_state_dir(config.root, config.host) / "traces.db"
    return Origin(title, Path(config.root).name, database, opened, mappings, pause=FAR)


@contextmanager
def collected(run: Options, spool: Path | None, local: bool) -> Iterator[Store]:
    """The store, with everything that was recorded until now."""
    from devbox.traces.ingest import collect
    from devbox.traces.store import Store

    found = origin(run, spool, local)
    store = Store(found.database)
    try:
        with found.opened(0) as source:
            brought = collect(source, store)
        for name in sorted(brought.unreadable):
            run.console.warn(f"not a spool of this version of devbox, left alone: {name}")
        store.settle()
        yield store
    finally:
        store.close()


def query_of(text: str, service: str = "", errors: bool = False) -> Query:
    """The query that an argument and the options beside it make together."""
    from devbox.traces.query import parse

    terms = [text, f"service={shlex.quote(service)}" if service else "", "error" if errors else ""]
    return parse(" ".join(term for term in terms if term))


def resolve(store: Store, trace: str) -> str:
    """The id of the trace that is meant; `UsageError` when it is none or several."""
    if trace == "last":
        newest = store.traces(1)
        if newest:
            return newest[0].trace_id
        raise UsageError("there are no traces yet", next_steps=["devbox workload load", "devbox trace ls"])
    found = store.matching(trace.lower())
    if len(found) == 1:
        return found[0]
    if found:
        said, why = f"several traces have ids that begin with {trace!r}", f"among them {', '.join(found)}"
        raise UsageError(said, why=why, next_steps=["devbox trace ls"])
    raise UsageError(f"no trace has an id that begins with {trace!r}", next_steps=["devbox trace ls"])


def functions_of(run: Options, store: Store, query: Query | None) -> list[Slow]:
    """The slowest functions, of all traces or of those that fit."""
    if query is None:
        return store.functions()
    found = store.functions_among(query)
    if found.is_part:
        run.console.warn(f"more traces fit than can be added up: these are the newest {found.traces}")
    return found.functions


def say_losses(run: Options, store: Store) -> None:
    """Say where spans went missing, when any did."""
    for service, account in store.accounts().items():
        if account.dropped:
            causes = {key: value for key, value in asdict(account).items() if value and key != "stored"}
            text = ", ".join(f"{key} {value}" for key, value in causes.items())
            run.console.warn(f"{service}: {account.dropped} of {account.created} spans lost ({text})")
