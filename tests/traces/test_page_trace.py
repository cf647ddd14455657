"""A trace's page in a real browser: waterfall, flame graph, critical path, log, and what a span tells."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, Page
from tests.traces.pages import MS, START, TRACE, Served, at, served
from tests.traces.reading import run

pytestmark = pytest.mark.browser


def test_where_failing_began_is_said_on_top(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.origins button')")
    assert page.texts(".origins li") == ["payment\nPayments.charge\nCardError: declined"]
    page.click(".origins button")
    page.until("document.querySelector('.row.chosen .name').innerText == 'Payments.charge'")


def test_a_trace_that_grows_offers_to_show_the_rest(page: Page, tmp_path: Path) -> None:
    with served(tmp_path) as running:
        run(
            "context = {'traceparent': '00-' + 'ab' * 16 + '-' + '11' * 8 + '-01'}\n"
            "with tracer.span('first', parent=tracer.extract(context)): pass",
            running.spool,
        )
        page.wait(lambda: bool(running.store.traces()))
        page.open(f"{running.url}trace/{TRACE}")
        page.until("document.querySelectorAll('.row:not([hidden])').length == 1")
        page.until("document.querySelector('#live.on')")
        run(
            "context = {'traceparent': '00-' + 'ab' * 16 + '-' + '11' * 8 + '-01'}\n"
            "with tracer.span('second', parent=tracer.extract(context)): pass",
            running.spool,
        )
        page.until("document.querySelector('.grown:not([hidden])')?.innerText == '1 more span: show'")
        page.click(".grown")
        page.until("document.querySelectorAll('.row:not([hidden])').length == 2")


LAST_BAR = """(() => {
    const rows = [...document.querySelectorAll('.row:not([hidden])')];
    const whole = rows[0].querySelector('.track').getBoundingClientRect();
    return (rows.at(-1).querySelector('.span').getBoundingClientRect().left - whole.left) / whole.width;
})()"""
"""Where the last row's bar begins, as a part of the whole width."""


def test_the_waterfall_shows_every_span_in_its_place(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelectorAll('.row:not([hidden])').length == 12")
    page.until("document.querySelector('.row.critical')")
    rows = page.run(
        "[...document.querySelectorAll('.row:not([hidden])')].map((row) => [row.getAttribute('aria-level'),"
        " row.querySelector('.name').innerText, row.querySelector('.took').innerText,"
        " row.className.includes('failed'), row.className.includes('critical')])"
    )
    assert rows[0] == ["1", "POST /orders", "100 ms", False, True]
    assert rows[1] == ["2", "Orders.place", "90.0 ms", False, True]
    assert ["4", "Payments.charge", "26.0 ms", True, True] in rows
    assert rows[-1] == ["4", "Notifications.send", "8.00 ms", False, True]
    left = page.run(LAST_BAR)
    assert abs(left - 160 / 168) < 0.01
    guilty, *_ = page.texts(".guilty li")
    assert "SELECT items" in guilty
    assert "6 calls" in guilty
    headline = page.text(".headline")
    assert "POST /orders" in headline
    assert "12" in headline


def test_what_the_patterns_found_is_said_on_top(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelectorAll('.finding').length")
    page.run("document.querySelector('.findings').open = true")
    found = page.texts(".finding b")
    assert {"N+1 calls", "queue wait"} <= set(found)
    page.run(
        "[...document.querySelectorAll('.finding')].find((one) => one.innerText.includes('N+1')).click()"
    )
    page.until("document.querySelector('.row.chosen .name').innerText == 'Orders.place'")


def test_a_span_tells_everything_and_opens_its_line(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}?span={'4'.rjust(16, '0')}")
    page.until("document.querySelector('.detail .histogram')")
    text = page.text(".detail")
    for said in ("Payments.charge", "CardError: declined", "road", "rpc", "exception", "slower than", "pid"):
        assert said in text
    assert "/app/payment.py:3" in text  # not among the synced files: only said
    page.open(f"{shop.url}trace/{TRACE}?span={'2'.rjust(16, '0')}")
    page.until("document.querySelector('.detail .editors a')")
    local = str(shop.spool.parent / "src" / "order.py")
    addresses = page.run("[...document.querySelectorAll('.detail .editors a')].map((one) => one.href)")
    assert addresses == [
        f"jetbrains://pycharm/navigate/reference?project=project&path={local}:3",
        f"vscode://file{local}:3",
    ]


def test_what_a_span_computed_and_what_it_waited(page: Page, tmp_path: Path) -> None:
    """Where the recorder was asked for it; elsewhere nothing is said."""
    spans = [
        at("order wait", 0, 100, id="1", attributes={"cpu.time": 25 * MS}),
        at("order other", 0, 50, "1", id="2"),
    ]
    with served(tmp_path, spans) as running:
        page.open(f"{running.url}trace/{TRACE}?span={'1'.rjust(16, '0')}")
        page.until("document.querySelector('.split')")
        assert "25.0 ms computing, 75.0 ms waiting" in page.text(".detail")
        wide = "document.querySelector('.split{}').getBoundingClientRect().width"
        assert abs(page.run(f"{wide.format(' i')} / {wide.format('')}") - 0.25) < 0.01
        page.press("j")
        page.until("document.querySelector('.detail h2')?.innerText == 'other'")
        page.until("document.querySelector('.detail .ids')")
        assert page.run("document.querySelector('.split')") is None


def test_the_editor_is_started_with_file_and_line(
    page: Page, shop: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "pycharm"
    editor.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/said.new && mv {tmp_path}/said.new {tmp_path}/said\n'
    )
    editor.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    page.open(f"{shop.url}trace/{TRACE}?span={'2'.rjust(16, '0')}")
    page.until("document.querySelector('.detail .editor')")
    page.press("e")
    said = tmp_path / "said"
    end = time.monotonic() + 20
    while not said.exists() and time.monotonic() < end:
        page.run("1")
    assert said.read_text().split() == ["--line", "3", str(shop.spool.parent / "src" / "order.py")]


def test_flame_graph_critical_path_and_log(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.row')")
    page.press("f")
    blocks = page.run("[...document.querySelectorAll('.block')].map((one) => one.getAttribute('aria-label'))")
    assert "order SELECT items: 30.0 ms in 6 calls, 30.0 ms itself" in blocks
    assert blocks[0].startswith("all: ")
    page.press("c")
    page.until("document.querySelector('.path tbody tr')")
    first, *_ = page.texts(".path section:first-of-type tbody tr")
    assert "waiting in the queue for notify" in first
    assert first.startswith("74.0 ms")
    page.press("l")
    page.until("document.querySelector('.log li')")
    assert "CardError: declined" in page.text(".log")
    page.press("w")
    page.press("x")
    page.until("document.querySelector('.row.chosen .name').innerText == 'Payments.charge'")
    kept = page.run("location.href")
    page.open(kept)
    page.until("document.querySelector('.row.chosen .name').innerText == 'Payments.charge'")


def test_the_keyboard_walks_and_folds(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelectorAll('.row:not([hidden])').length == 12")
    for key in ("j", "j", "ArrowLeft"):
        page.press(key)
    page.until("document.querySelectorAll('.row:not([hidden])').length == 2")
    assert page.run("document.querySelector('.row.chosen').getAttribute('aria-expanded')") == "false"
    page.press("ArrowRight")
    page.until("document.querySelectorAll('.row:not([hidden])').length == 12")
    page.press("/")
    assert page.run("document.activeElement.id") == "query"
    page.press("Escape")
    page.press("?")
    assert "critical path" in page.text("#keys")


def test_a_trace_that_is_not_here(browser: Browser, shop: Served) -> None:
    with browser.page() as page:
        page.open(f"{shop.url}trace/{'0' * 32}")
        page.until("document.querySelector('.empty')")
        assert "it was never here" in page.text("main")
        page.problems.clear()


def test_starts_in_the_past_are_dated(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.headline')")
    assert page.run(f"new Date({START // MS}).getDate()") in [
        int(word) for word in page.text(".headline").replace("\n", " ").split() if word.isdigit()
    ]
