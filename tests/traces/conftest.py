from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, Page
from tests.traces.pages import Served, moved, order, served
from tests.traces.reading import Reader


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def reader(tmp_path: Path, spool: Path) -> Iterator[Reader]:
    made = Reader(spool, tmp_path / "traces.db")
    yield made
    made.store.close()


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
