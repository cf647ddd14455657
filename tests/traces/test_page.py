"""The page in a real browser: search, map, comparison; hostile, huge and saved traces."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from devbox.traces.page.saved import saved
from tests.browser.chromium import Browser, Page
from tests.traces.pages import MS, TRACE, Served, at, order, served

pytestmark = pytest.mark.browser


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
