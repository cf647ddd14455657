"""The front page in a real browser: the slowest functions, what comes in now, no foreign request."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.traces.pages import START, Served, at, moved, order, served
from tests.traces.reading import run

pytestmark = pytest.mark.browser


def test_the_front_page_has_the_slowest_function_first(page: Page, shop: Served) -> None:
    page.open(shop.url)
    page.until("document.querySelectorAll('.functions tbody tr').length == 7")
    first, *_ = page.texts(".functions tbody tr")
    assert "Orders.place" not in first
    cells = first.split("\t")
    assert cells[0].startswith("90.0 ms")  # six queries of 5 ms in three traces
    assert "SELECT items" in first
    assert [line.split("\n")[1] for line in page.texts(".stream li")] == ["POST /orders"] * 3
    assert {url.split("/")[2] for url in page.requests} == {shop.url.split("/")[2]}
    page.run("document.querySelector('.functions tbody tr').click()")
    page.until("location.pathname.startsWith('/trace/')")
    page.until("document.querySelector('.row.chosen')?.innerText.includes('SELECT items')")


def test_the_front_page_for_a_part_of_the_traces(page: Page, tmp_path: Path) -> None:
    """Those of a search, by address; those of the last minute, by a click; and back to all."""
    now = moved(order(), "ff" * 16, int(time.time() - START / 1e9) - 5)
    quick = [at("gateway GET /", 0, 1, trace="aa" * 16, id="1", kind="server", attributes={"user.id": 13})]
    with served(tmp_path, [*order(), *now, *quick]) as running:
        page.open(f"{running.url}?q=user.id%3D13")
        page.until("document.querySelectorAll('.functions tbody tr').length == 1")
        assert "GET /" in page.text(".functions tbody tr")
        assert "1 traces" in page.text(".front header")
        page.click(".choices a:nth-child(3)")
        page.until("document.querySelectorAll('.functions tbody tr').length == 7")
        assert page.text(".functions tbody tr").startswith("30.0 ms")  # the same order long ago is left out
        page.click(".choices a:first-child")
        page.until("document.querySelectorAll('.functions tbody tr').length == 8")
        assert page.text(".functions tbody tr").startswith("60.0 ms")
        page.open(f"{running.url}?q=user.id%3D14")
        page.until("document.querySelector('.empty a')")
        assert "No trace fits user.id=14" in page.text(".empty")


def test_the_calls_of_a_function_lead_to_its_traces(page: Page, shop: Served) -> None:
    page.open(shop.url)
    page.until("document.querySelectorAll('.functions tbody tr').length == 7")
    page.click(".functions tbody tr .number a")
    page.until("document.querySelectorAll('.traces tbody tr.link').length == 3")
    assert page.run("document.querySelector('#query').value") == 'service:order name:"SELECT items"'
    assert page.run("document.querySelector('.choice[aria-current]').innerText") == "slowest"


def test_functions_of_one_name_in_two_services_are_two(page: Page, tmp_path: Path) -> None:
    spans = [
        at("order find", 0, 100, id="1", kind="client"),
        at("user find", 10, 60, "1", id="2", kind="server"),
    ]
    with served(tmp_path, spans) as running:
        page.open(running.url)
        page.until("document.querySelectorAll('.functions tbody tr').length == 2")
        assert page.text(".functions .chip") == "user"
        page.run("document.querySelector('.functions tbody tr').click()")
        page.until("document.querySelector('.row.chosen .of')?.innerText == 'user'")


def test_a_service_has_its_colour_everywhere(page: Page, tmp_path: Path) -> None:
    lone = at("payment refund", 0, 1, trace="dd" * 16, id="1")
    with served(tmp_path, [*order(), lone]) as running:
        page.open(running.url)
        page.until("document.querySelector('.functions tbody tr')")
        chips = page.run(
            "Object.fromEntries([...document.querySelectorAll('.functions .chip')].map((one) =>"
            " [one.innerText, getComputedStyle(one.firstChild).backgroundColor]))"
        )
        assert len(set(chips.values())) == 4
        page.open(f"{running.url}trace/{'dd' * 16}")
        page.until("document.querySelector('.row .mark')")
        mark = page.run("getComputedStyle(document.querySelector('.row .mark')).backgroundColor")
        assert mark == chips["payment"]


@pytest.mark.parametrize(
    ("way", "said"), [("websocket", "WebSocket"), ("long", "long polling"), ("poll", "polling")]
)
def test_a_span_that_ends_now_appears_by_each_way(page: Page, tmp_path: Path, way: str, said: str) -> None:
    with served(tmp_path) as running:
        page.open(f"{running.url}?live={way}")
        page.until("document.querySelector('#live.on')")
        page.until("document.querySelector('.empty')?.innerText.includes('No spans yet')")
        run("with tracer.span('just now'): pass", running.spool)
        page.until("document.querySelector('.stream .name')?.innerText == 'just now'")
        page.until("document.querySelector('.functions td.name')?.innerText == 'just now'")
        assert page.run("document.querySelector('#live').title") == said


def test_where_websocket_is_blocked_polling_takes_over(page: Page, tmp_path: Path) -> None:
    page.call("Page.addScriptToEvaluateOnNewDocument", source=(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onclose(), 0) } }"
    ))  # fmt: skip
    with served(tmp_path) as running:
        page.open(running.url)
        page.until("document.querySelector('#live.on')?.title == 'long polling'")


def test_light_and_dark(page: Page, shop: Served) -> None:
    page.open(shop.url)
    page.until("document.querySelector('.functions td')")
    colours = []
    for dark in (False, True):
        page.dark(dark)
        colours.append(page.run("getComputedStyle(document.body).backgroundColor"))
    page.press("t")
    colours.append(page.run("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
    assert colours[2] == colours[0]
    page.press("t")
    page.run("localStorage.clear()")
