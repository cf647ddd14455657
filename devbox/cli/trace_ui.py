"""`devbox trace ui`: the page, and the collector behind it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devbox.cli.options import Options
from devbox.cli.trace_source import Origin
from devbox.ports.events import Event

if TYPE_CHECKING:
    from devbox.traces.otlp.intake import Onward
    from devbox.web.live import Channel

DAY = 86400.0
PATIENT = (100_000, 20, 50)
"""When to look for circles among objects: spans make none, and a large trace is a million objects that would
be gone through again and again while it is read."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How the page shall be served. `days` is how long traces are kept, `mebibytes` how much of them."""

    bind: str
    port: int
    browse: bool
    days: float
    mebibytes: int
    forward: str = ""


def serve(run: Options, origin: Origin, wish: Wish) -> None:
    """Until Ctrl-C."""
    gc.set_threshold(*PATIENT)
    with _served(origin, wish) as url:
        text = f"traces of {origin.title}: {url}   (Ctrl-C ends it)"
        run.console.event(Event("trace.ui", text, {"url": url}))
        if wish.browse:
            import webbrowser

            webbrowser.open(url)
        threading.Event().wait()


@contextmanager
def _served(origin: Origin, wish: Wish) -> Iterator[str]:
    from devbox.traces.otlp.intake import PATH, Intake
    from devbox.traces.page.collector import Collector, Rhythm
    from devbox.traces.page.site import About, TracePage
    from devbox.traces.page.sources import Sources
    from devbox.traces.store import Store
    from devbox.web.guard import Guard
    from devbox.web.live import Channel
    from devbox.web.server import serving

    def opened() -> Store:
        return Store(origin.database, wish.mebibytes << 20)

    channel = Channel()
    with ExitStack() as stack:
        reader = opened()
        stack.callback(reader.close)
        taken = opened()
        stack.callback(taken.close)
        onward = _forwarding(wish.forward, channel, stack)
        page = TracePage(reader, Sources(origin.mappings, origin.own), About(origin.title, origin.project))
        site = page.site(Guard.of(wish.bind, frozenset((PATH,))), channel, [Intake(taken, onward).route()])
        url = stack.enter_context(serving(site, wish.port))
        port = urlsplit(url).port or 0
        rhythm = Rhythm(origin.pause, wish.days * DAY)
        collector = Collector(lambda: origin.opened(port), opened, channel, rhythm)
        collector.onward = onward
        collector.start()
        stack.callback(collector.stop)
        yield url


def _forwarding(url: str, channel: Channel, stack: ExitStack) -> Onward:
    """Who takes spans on to another endpoint; nobody when none is named."""
    if not url:
        return lambda spans: None
    from devbox.traces.otlp.forward import Forwarder

    forwarder = Forwarder(url, lambda text: channel.publish({"trouble": text}))
    forwarder.start()
    stack.callback(forwarder.stop)
    return forwarder.offer
