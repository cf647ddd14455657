"""The page of the traces: how long from a span's end to the page, and a trace of 100,000 spans in Chromium.

scripts/bench page
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from devbox.traces.model import Span
from tests.browser.chromium import Page, program, started
from tests.traces import reading
from tests.traces.pages import TRACE, Served, at, served
from tests.web.client import connected

SPANS = 200
LARGE = 100_000
ROUNDS = 3
FRAMES = """new Promise((done) => {
    const rows = document.querySelector('.rows'), begin = performance.now();
    let frames = 0;
    const step = () => {
        rows.scrollTop += 2000;
        frames += 1;
        if (performance.now() - begin < 2000) requestAnimationFrame(step);
        else done(frames / 2);
    };
    requestAnimationFrame(step);
})"""
APART = f"""
import time
for number in range({SPANS}):
    with tracer.span(f"work {{number % 5}}"):
        pass
    time.sleep(0.02)
"""


WATCH = """(() => {
    window.drawn = {};
    const look = () => {
        const now = performance.timeOrigin + performance.now();
        for (const link of document.querySelectorAll('.stream a')) drawn[link.pathname.slice(7)] ??= now;
    };
    new MutationObserver(() => requestAnimationFrame(look)).observe(
        document.querySelector('.stream'), { childList: true, subtree: true });
})()"""
"""When each trace was first in a frame of the page's live list, in ms since the epoch."""


def drawn(running: Served, page: Page) -> list[float]:
    """Milliseconds from each span's end to the frame of a browser that shows it, in order of size."""
    page.open(running.url)
    page.until("document.querySelector('#live.on')")
    page.run(WATCH)
    with reading.started(APART, running.spool) as process:
        page.wait(lambda: len(page.run("Object.keys(drawn)")) >= SPANS)
        process.communicate()
    ended = {one.trace_id: (one.start + one.duration) / 1e6 for one in running.store.traces(SPANS)}
    return sorted(at - ended[trace] for trace, at in page.run("drawn").items())


def arrivals(running: Served) -> list[float]:
    """Milliseconds from each span's end to the message that tells pages of it, in order of size."""
    found: dict[str, float] = {}
    with connected(running.url + "live/ws") as link, reading.started(APART, running.spool) as process:
        link.receive()
        while len(found) < SPANS:
            batch = json.loads(link.receive()[1])
            now = time.time_ns()
            for message in batch["messages"]:
                for one in message.get("traces", ()):
                    found.setdefault(one["id"], (now - one["start"] - one["took"]) / 1e6)
        process.communicate()
    return sorted(found.values())


def large() -> list[Span]:
    """One root, and as many calls below it."""
    root = at("big root", 0, LARGE + 1, id="1")
    calls = (at(f"big call {n % 50}", n, 0.9, id=f"{n + 2:x}") for n in range(LARGE))
    return [root, *(replace(one, parent_id=root.span_id) for one in calls)]


def look(page: Page, url: str) -> tuple[float, float, float, int]:
    """Seconds until the first paint and until the rows are there, frames per second while scrolling,
    elements of the page.
    """
    begin = time.monotonic()
    page.call("Page.navigate", url=f"{url}trace/{TRACE}")
    page.until("document.querySelector('.row .name')?.innerText == 'root'")
    there = time.monotonic() - begin
    page.until("document.querySelector('.row.critical')")
    painted = page.run("performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000")
    return painted, there, page.run(FRAMES), page.run("document.querySelectorAll('*').length")


def say(what: str, found: list[float]) -> None:
    p50, p95 = found[len(found) // 2], found[len(found) * 95 // 100]
    print(f"span's end -> {what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms (reach 150)")


def main() -> None:
    """Print the table."""
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as running:
            say("message", arrivals(running))
    if program() is None:
        print("no Chromium here: apt-get install chromium")
        return
    with started() as browser:
        for _ in range(ROUNDS):
            with (
                tempfile.TemporaryDirectory() as folder,
                served(Path(folder)) as running,
                browser.page() as page,
            ):
                say("drawn in Chromium", drawn(running, page))
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), large()) as running,
        started() as browser,
    ):
        for _ in range(ROUNDS):
            with browser.page() as page:
                painted, there, frames, nodes = look(page, running.url)
            print(
                f"{LARGE:,} spans: painted after {painted:.2f} s, rows after {there:.2f} s (reach 1.5),",
                end=" ",
            )
            print(f"{frames:.0f} frames/s scrolling (reach 30), {nodes} elements (reach 2,000)")


if __name__ == "__main__":
    main()
