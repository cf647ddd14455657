"""The page in a real browser: what each view shows, in which order, without an error or a foreign request."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devbox.traces.model import Span
from devbox.traces.page.saved import saved
from tests.browser.chromium import Browser, Page
from tests.traces.pages import MS, START, TRACE, Served, at, order, served
from tests.traces.reading import run

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three orders; the sources of one service lie in a mapped folder."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "src").mkdir()
    (folder / "src" / "order.py").write_text("# the shop's order service\n")
    traces = [order(), moved(order(), "cd" * 16, 1), moved(order(), "ef" * 16, 2)]
    with served(folder, [span for one in traces for span in one], [("/app", folder / "src")]) as running:
        yield running


def moved(spans: list[Span], trace: str, seconds: int) -> list[Span]:
    """The same trace again, later."""
    by = seconds * 1000 * MS
    return [replace(one, trace_id=trace, start=one.start + by, end=one.end + by) for one in spans]


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


def test_search_and_its_permalink(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}traces?q=service:order+>>+service:payment+error")
    page.until("document.querySelectorAll('.traces tbody tr.link').length == 3")
    assert page.run("document.querySelector('#query').value") == "service:order >> service:payment error"
    page.open(f"{shop.url}traces?q=user.id=13")
    page.until("document.querySelector('.empty')")
    assert "Nothing fits" in page.text("main")


def test_a_search_that_makes_no_sense_is_answered_in_words(browser: Browser, shop: Served) -> None:
    with browser.page() as page:
        page.open(f"{shop.url}traces?q=took>soon")
        page.until("document.querySelector('.empty')")
        assert "is not a duration" in page.text("main")
        assert all("400" in problem for problem in page.problems)
        page.problems.clear()


def test_the_map_of_services(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}map")
    page.until("document.querySelectorAll('.map .node').length == 6")
    names = page.run("[...document.querySelectorAll('.map .node .title')].map((one) => one.textContent)")
    assert set(names) == {"(outside)", "gateway", "order", "payment", "notify", "sqlite"}
    titles = page.run("[...document.querySelectorAll('.map .edge title')].map((one) => one.textContent)")
    assert any(one.startswith("order calls payment by rpc: 3 calls, 3 failed, p50 2") for one in titles)
    x = page.run(
        "Object.fromEntries([...document.querySelectorAll('.map .node')].map((one) =>"
        " [one.querySelector('.title').textContent, one.getBoundingClientRect().left]))"
    )
    assert x["(outside)"] < x["gateway"] < x["order"] < x["payment"]


def test_two_sets_of_traces_side_by_side(page: Page, tmp_path: Path) -> None:
    before = [replace(one, attributes={**one.attributes, "version": "1"}) for one in order()]
    slower = [
        replace(one, end=one.end + 40 * MS) if one.operation.name == "Notifications.send" else one
        for one in order()
        if one.operation.name != "SELECT items"
    ]
    extra = at("payment check", 53, 4, "4", id="7")
    after = [
        replace(one, trace_id="cd" * 16, attributes={**one.attributes, "version": "2"})
        for one in [*slower, extra]
    ]
    with served(tmp_path, [*before, *after]) as running:
        page.open(f"{running.url}compare?a=version%3D1&b=version%3D2")
        page.until("document.querySelector('.compare tbody tr')")
        rows = [" ".join(row.split()) for row in page.texts(".compare tbody tr")]
        assert "+40.0 ms" in rows[0]
        assert "Notifications.send" in rows[0]
        assert any("gone" in row and "SELECT items" in row for row in rows)
        assert any("new" in row and "check" in row for row in rows)
        assert "takes 208 ms +40.0 ms" in page.text(".verdict")


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


EVIL = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"


def test_hostile_spans_are_shown_and_do_nothing(page: Page, tmp_path: Path) -> None:
    spans = [
        at(f"evil{EVIL} {EVIL}", 0, 10, id="1", kind="server", status="error",
           message=EVIL, attributes={EVIL: EVIL}),
        at("a loop", 0, 10, "3", id="2"),
        at("a pool", 0, 10, "2", id="3"),
        at("big one", 0, 10, "1", id="4", attributes={"x": "y" * 1_000_000}),
        *(at(f"service-{n} call", n / 100, 0.01, "1", id=f"f{n}", kind="server") for n in range(10_000)),
    ]  # fmt: skip
    with served(tmp_path, spans) as running:
        for path in ("", "traces", "map", f"trace/{TRACE}", f"trace/{TRACE}?look=f", f"trace/{TRACE}?look=c"):
            page.open(running.url + path)
            page.until("document.querySelector('table, .row, .block')")
            assert page.run("window.hacked") is None
        page.open(f"{running.url}trace/{TRACE}?span={'1'.rjust(16, '0')}")
        page.until("document.querySelector('.detail .values')")
        assert EVIL in page.text(".detail")
        page.open(f"{running.url}trace/{TRACE}?span={'4'.rjust(16, '0')}")
        page.until("document.querySelector('.detail .values')")
        page.open("about:blank")  # it may be asking for the analysis still, and nobody answers after this


def test_a_trace_of_100_000_spans_is_a_page_like_any_other(page: Page, tmp_path: Path) -> None:
    root = at("big root", 0, 100_001, id="1")
    many = [at(f"big call {n % 50}", n, 0.9, "1" if n % 10 else "", id=f"{n + 2:x}") for n in range(100_000)]
    with served(tmp_path, [root, *(replace(one, parent_id=root.span_id) for one in many)]) as running:
        page.open(f"{running.url}trace/{TRACE}")
        page.until("document.querySelector('.row .name')?.innerText == 'root'")
        assert page.run("document.querySelectorAll('*').length") <= 2000
        page.run("document.querySelector('.rows').scrollTop = 1e9")
        page.until("[...document.querySelectorAll('.row:not([hidden]) .took')].some((one) => one.innerText)")
        page.press("End")
        page.until("document.querySelector('.row.chosen .name')?.innerText == 'call 49'")
        assert page.run("document.querySelectorAll('*').length") <= 2000
        page.press("f")
        page.until("document.querySelectorAll('.block').length == 52")
        with urllib.request.urlopen(f"{running.url}api/trace/{TRACE}") as answer:
            assert len(json.load(answer)["spans"]["id"]) == 100_001


def test_a_saved_page_needs_nobody(page: Page, tmp_path: Path) -> None:
    evil = replace(order()[0], attributes={EVIL: EVIL})
    with served(tmp_path, [evil, *order()[1:]]) as running:
        text = saved(running.store, TRACE)
    file = tmp_path / "saved.html"
    file.write_text(text)
    page.open(file.as_uri())
    page.until("document.querySelectorAll('.row:not([hidden])').length == 12")
    page.until("document.querySelector('.row.critical')")
    page.press("j")
    page.until("document.querySelector('.detail .values')")
    assert EVIL in page.text(".detail")
    for key, there in (("f", ".block"), ("c", ".path tbody tr"), ("l", ".log li")):
        page.press(key)
        page.until(f"document.querySelector({there!r})")
    assert page.run("window.hacked") is None
    assert {url.split(":")[0] for url in page.requests} <= {"file", "data"}


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
