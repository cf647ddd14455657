"""The shop's page as somebody sees it who places orders, and the trace that it leads to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.workload import local
from tests.browser.chromium import Browser, Page
from tests.workload.brokers import free_port
from tests.workload.shops import Running

pytestmark = pytest.mark.browser

SAID = "document.querySelector('#message').textContent"


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, rabbitmq_url: str, kafka_url: str
) -> Iterator[Running]:
    """The shop with every road open and the trace page beside it."""
    state = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_BROKERS", f"{redis_url} {rabbitmq_url} {kafka_url}")
        patch.setenv("XDG_STATE_HOME", str(state / "xdg"))
        try:
            yield Running(local.up(state, traces=free_port()))
        finally:
            local.down(state)


@pytest.fixture
def tab(browser: Browser, shop: Running) -> Iterator[Page]:
    with browser.page() as page:
        page.open(shop.shop.gateway)
        page.until("document.querySelectorAll('#faults tr').length === 16")
        yield page


def watched_to_its_end(tab: Page) -> None:
    """Until the order that was just placed is the first of the table, with all that happens to it."""
    tab.until(f"{SAID}.endsWith('is paid.')")
    tab.until(f"{SAID}.includes(document.querySelector('#orders code').innerText)")
    tab.until("document.querySelector('#orders .way').ariaLabel === 'taken, paid, told'")


def test_an_order_is_placed_and_watched_until_the_customer_is_told(tab: Page) -> None:
    tab.run("document.querySelector('[name=quantity]').value = 3")
    tab.run("document.querySelector('[name=item]').value = 'cup'")
    tab.click("button.main")
    watched_to_its_end(tab)
    first = tab.texts("#orders tbody tr:first-child td")
    assert first[1:3] == ["3 × cup", "19.50"]
    assert (first[4], first[5].endswith(" ms")) == ("paid", True)


def test_ten_at_once(tab: Page) -> None:
    tab.click("#ten")
    tab.until(f"{SAID} === '10 orders, 10 of them paid.'")
    tab.until("document.querySelectorAll('#orders tr.mine').length === 10")


def test_what_is_refused_is_said(tab: Page) -> None:
    tab.run("document.querySelector('#order').noValidate = true")
    tab.run("document.querySelector('[name=quantity]').value = 101")
    tab.click("button.main")
    tab.until(f"{SAID}.includes('1 to 100')")
    # The browser notes each answer that is an error; this one was wanted.
    tab.run("1")
    tab.problems[:] = [one for one in tab.problems if "422" not in one]


def test_a_fault_is_switched_and_seen(tab: Page, shop: Running) -> None:
    tab.click("#fault-delay")
    tab.until(f"{SAID} === 'delay is on.'")
    assert [fault["name"] for fault in shop.ask("GET", "/control").body["faults"]] == ["delay"]
    tab.until("document.querySelectorAll('#faults td.on').length === 4")
    assert "First among the slowest: Payments.charge" in tab.text("#faults tr:first-child")
    tab.click("#fault-delay")
    tab.until("document.querySelectorAll('#faults td.on').length === 0")


@pytest.mark.parametrize("road", ["rest", "rpc", "grpc", "dubbo", "queue", "redis", "rabbitmq", "kafka"])
def test_the_trace_of_an_order_over_each_road(tab: Page, road: str) -> None:
    ways = tab.texts("#roads tr:first-child option")
    if road not in ways:
        pytest.skip(f"no {road} here")
    for edge in (1, 2, 3):
        box = f"document.querySelector('#roads tr:nth-child({edge}) select')"
        tab.run(f"{SAID} = ''; {box}.value = '{road}'; {box}.onchange()")
        tab.until(f"{SAID}.endsWith(' takes {road} now.')")
    tab.click("button.main")
    watched_to_its_end(tab)
    # High enough for the whole trace: rows that nobody sees are not made.
    tab.call("Emulation.setDeviceMetricsOverride", width=1400, height=3000, deviceScaleFactor=1, mobile=False)
    address = tab.run("document.querySelector('#orders a').href")
    # Both ends of each hop: the caller's span and the callee's.
    hops = [f"{road} {name}" for name in ("users.find", "payments.charge", "notifications.order_paid")]
    end = time.monotonic() + 30
    while True:
        # A trace is shown as it is when it is asked for: spans that come late are seen at the next look.
        tab.open(address)
        tab.until("document.body.innerText.includes('POST /orders')")
        shown = tab.text("body")
        if all(shown.count(hop) >= 2 for hop in hops):
            break
        assert time.monotonic() < end, shown
        time.sleep(0.2)
    if road in ("queue", "redis", "rabbitmq", "kafka"):
        tab.until("document.body.innerText.includes('in queue payment')")


def test_it_fits_on_a_small_screen(tab: Page, shop: Running) -> None:
    shop.order()
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    assert tab.run("document.documentElement.scrollWidth <= 390")
    # Nor is anything cut off inside: the links to the traces are what one comes for.
    tab.until("document.querySelector('#orders a') !== null")
    assert tab.run(
        "[...document.querySelectorAll('section')].every(one => one.scrollWidth <= one.clientWidth)"
    )


def test_without_a_trace_page_the_links_lead_to_where_one_would_be(browser: Browser, tmp_path: Path) -> None:
    try:
        running = Running(local.up(tmp_path))
        trace = running.order().trace
        with browser.page() as page:
            page.open(running.shop.gateway)
            page.until("document.querySelector('#orders a') !== null")
            link = page.run("document.querySelector('#orders a').href")
            assert link == f"http://127.0.0.1:4318/trace/{trace}"
    finally:
        local.down(tmp_path)
