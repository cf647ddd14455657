"""The page for everybody: on a phone, in the dark, without a mouse, with a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Page
from tests.browser.looks import BEYOND, PALE
from tests.traces.pages import TRACE, Served, order, served

pytestmark = pytest.mark.browser

VIEWS = {
    "": ".functions tbody tr",
    "?q=error": ".functions tbody tr",
    "traces": ".traces tbody tr",
    "map": ".map .node",
    "compare?a=service%3Aorder&b=service%3Apayment": ".compare tbody tr",
    f"trace/{TRACE}?span={'4'.rjust(16, '0')}": ".finding",
    f"trace/{TRACE}?look=f": ".block",
    f"trace/{TRACE}?look=c": ".path tbody tr",
    f"trace/{TRACE}?look=l": ".log li",
}
"""Each view, and what is there once it has loaded."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("shop"), order()) as running:
        yield running


def views(page: Page, shop: Served) -> Iterator[str]:
    """One view after the other, loaded."""
    for path, there in VIEWS.items():
        page.open(shop.url + path)
        page.until(f"document.querySelector({there!r})")
        page.until("document.querySelector('#live.on')")
        yield path or "functions"


@pytest.mark.parametrize("width", [390, 800, 1180, 1440])
def test_nothing_sticks_out_of_the_window(page: Page, shop: Served, width: int) -> None:
    page.resize(width, 860)
    found = {view: page.run(BEYOND) for view in views(page, shop)}
    assert found == {view: [] for view in found}


@pytest.mark.parametrize("width", [390, 1440])
def test_what_is_to_be_said_of_a_trace_is_seen_without_scrolling(
    page: Page, shop: Served, width: int
) -> None:
    page.resize(width, 860)
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.finding')")
    for said in (".origins button", ".finding b", ".finding span", ".row .name"):
        seen = page.run(
            f"(() => {{ const one = document.querySelector({said!r}), at = one.getBoundingClientRect();"
            " return one.contains(document.elementFromPoint(at.left + 2, at.top + at.height / 2)) })()"
        )
        assert seen, said


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(page: Page, shop: Served, dark: bool) -> None:
    page.dark(dark)
    found = {view: page.run(PALE) for view in views(page, shop)}
    assert found == {view: [] for view in found}


CONTROLS = {"button", "link", "textbox", "searchbox", "tab", "treeitem", "img", "image", "dialog", "tree"}


def test_everything_has_a_name_for_a_screen_reader(page: Page, shop: Served) -> None:
    page.call("Accessibility.enable")
    nameless = {}
    for view in views(page, shop):
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        roles = [
            (one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes if "role" in one
        ]
        assert len([role for role, _ in roles if role in CONTROLS]) > 5
        nameless[view] = [role for role, name in roles if role in CONTROLS and not name.strip()]
    assert nameless == {view: [] for view in nameless}


def test_the_tree_says_which_row_is_chosen(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.row.critical')")
    page.press("j")
    page.press("j")
    chosen = page.run(
        "document.getElementById(document.querySelector('.rows').getAttribute('aria-activedescendant')).innerText"
    )
    assert "Orders.place" in chosen


def test_the_flame_graph_without_a_mouse(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}?look=f")
    page.until("document.querySelector('.block')")
    page.until("document.querySelector('.finding')")
    focused = "document.activeElement.getAttribute('aria-label')"
    for key, there in [
        ("ArrowDown", "gateway POST /orders"),
        ("ArrowDown", "order Orders.place"),
        ("ArrowDown", "order SELECT items"),
        ("ArrowRight", "order charge"),
        ("ArrowLeft", "order SELECT items"),
        ("ArrowRight", "order charge"),
        ("ArrowUp", "order Orders.place"),
    ]:
        page.press(key)
        assert page.run(focused).startswith(there)
    page.press("ArrowDown")
    page.press("Enter")
    page.until("document.querySelector('.trail').innerText.startsWith('SELECT items')")
    page.press("0")
    page.until("document.querySelector('.trail').innerText.startsWith('whole trace')")


def test_tabs_are_walked_with_the_arrow_keys(page: Page, shop: Served) -> None:
    page.open(f"{shop.url}trace/{TRACE}")
    page.until("document.querySelector('.row.critical')")
    page.run("document.querySelector('[aria-selected=true]').focus()")
    page.press("ArrowRight")
    page.until("document.querySelector('.block')")
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    page.until("document.querySelector('.log li')")
    keys = "[...document.querySelectorAll('.tabs button')].filter((one) => one.tabIndex == 0)"
    assert page.run(f"{keys}.map((one) => one.dataset.key)") == ["l"]


def test_the_search_says_what_it_understands(page: Page, shop: Served) -> None:
    page.open(shop.url)
    page.until("document.querySelector('.functions tbody tr')")
    page.press("/")
    page.until("!document.querySelector('#terms').hidden")
    offered = "[...document.querySelectorAll('#terms button')]"
    page.run(f"{offered}.find((one) => one.innerText == 'service:payment').click()")
    assert page.run("document.querySelector('#query').value") == "service:payment"
    page.press("Enter")
    page.until("document.querySelectorAll('.traces tbody tr.link').length == 1")
    assert page.run("document.querySelector('#terms').hidden")
    page.press("/")
    page.press("Escape")
    page.until("document.querySelector('#terms').hidden")
    assert page.run("location.pathname") == "/traces"


def test_a_saved_trace_is_a_file(page: Page, shop: Served, tmp_path: Path) -> None:
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.open(f"{shop.url}trace/{TRACE}")
    page.click(".keep a")
    file = tmp_path / f"trace-{TRACE[:12]}.html"
    page.wait(lambda: file.exists())
    page.open(file.as_uri())
    page.until("document.querySelectorAll('.row:not([hidden])').length == 12")
    page.until("document.querySelector('.origins')")
    assert "Payments.charge" in page.text(".origins")
