"""Load: what is planned, what is measured, what the report says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from devbox.errors import DevboxError
from devbox.workload.load.drive import Drive
from devbox.workload.load.figures import Answer, Figures, quantile
from devbox.workload.load.plot import linear, logarithmic, path
from devbox.workload.load.report import Run, page
from devbox.workload.load.scenario import Scenario, requests
from devbox.workload.roads.rest import reply
from devbox.workload.servers.threads import ThreadServer
from tests.browser.chromium import Browser
from tests.workload.brokers import free_port


def test_equal_seeds_ask_the_same_at_the_same_moments() -> None:
    scenario = Scenario(rate=50, seconds=4)
    assert list(requests(scenario)) == list(requests(scenario))
    assert list(requests(scenario)) != list(requests(Scenario(rate=50, seconds=4, seed=2)))


def test_arrivals_come_at_the_rate_and_grow_with_the_ramp() -> None:
    steady = [one.due for one in requests(Scenario(rate=200, seconds=20))]
    assert len(steady) == pytest.approx(4000, rel=0.1)
    ramped = [one.due for one in requests(Scenario(rate=200, seconds=20, ramp=20))]
    first, second = sum(due < 10 for due in ramped), sum(due >= 10 for due in ramped)
    assert second == pytest.approx(3 * first, rel=0.2)


def test_quantiles_are_latencies_that_were_measured() -> None:
    ordered = [float(number) for number in range(1, 1001)]
    assert [quantile(ordered, share) for share in (0.5, 0.99, 0.999)] == [500, 990, 999]
    assert quantile([7.0], 0.999) == 7.0


class Sticky:
    """A shop that stands still once, for a while, and fails on request."""

    def __init__(self) -> None:
        self.stuck = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self.stuck:
            status = 500 if environ["REQUEST_METHOD"] == "GET" else 200
            return reply(start_response, status, {"id": "o", "state": "paid"})


@pytest.fixture
def sticky() -> Iterable[tuple[str, Sticky]]:
    application = Sticky()
    server = ThreadServer(("127.0.0.1", 0), application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", application
    server.shutdown()
    server.server_close()


def test_a_shop_that_stands_still_cannot_hide_it(sticky: tuple[str, Sticky]) -> None:
    url, application = sticky
    drive = Drive(url, Scenario(rate=100, seconds=2))
    ticks: list[float] = []
    threading.Timer(0.5, stand_still, (application, 1.0)).start()
    drive.run(ticks.append, every=0.5)
    late = [one.latency for one in drive.figures.answers if 0.6 < one.due < 0.9]
    # A closed loop would have sent its few next requests afterwards, and called them quick.
    assert len(late) > 15
    assert min(late) > 0.4
    data = drive.figures.as_data(drive.planned, drive.seconds)
    assert data["answered"] == data["planned"] == data["ok"] + data["errors"]["status 500"]
    assert len(ticks) >= 3


def stand_still(application: Sticky, seconds: float) -> None:
    with application.stuck:
        time.sleep(seconds)


def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(DevboxError, match="does not answer"):
        Drive(f"http://127.0.0.1:{free_port()}", Scenario(rate=1, seconds=1)).run(lambda _: None)


def test_scales_and_paths() -> None:
    up = logarithmic(0.001, 1, 220, 0)
    assert [round(up(value)) for value in (0.0001, 0.001, 0.0316228, 1, 9)] == [220, 220, 110, 0, 0]
    assert linear(0, 10, 0, 760)(5) == 380
    assert path([]) == ""
    assert path([(0, 1), (2.55, 3)]) == "M0.0,1.0L2.5,3.0"


def made_up() -> Figures:
    """Two thousand answers, with a hiccup and some errors."""
    figures = Figures()
    for number in range(2000):
        due = number / 100
        took = 0.004 + (number * 7919 % 100) / 20000 + (0.8 if 900 <= number < 930 else 0)
        outcome = "status 503" if number % 97 == 0 else "refused connection" if number % 401 == 0 else "ok"
        figures.answers.append(Answer(due, due, due + took, outcome, "o", "paid", f"{number:032x}"))
    return figures


def test_an_empty_run_has_a_report_too() -> None:
    assert "0" in page(Run("http://shop", Scenario(1, 1), 1.0, Figures(), 0))


@pytest.mark.browser
def test_the_report_as_it_is_seen(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "load.html"
    told = Run("http://<shop>", Scenario(100, 20), 20.0, made_up(), 2000, "http://127.0.0.1:4318", "today")
    file.write_text(page(told))
    with browser.page() as tab:
        tab.open(file.as_uri())
        assert tab.text("h1") == "Load on http://<shop>"
        assert tab.text("#errors") == "25"
        assert tab.texts("#kinds tr") == ["status 503\t21", "refused connection\t4"]
        assert tab.run("document.querySelectorAll('circle').length") == 2000
        assert tab.run("document.querySelector('#slowest a').href").startswith("http://127.0.0.1:4318/trace/")
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert tab.run("[...document.querySelectorAll('path')].every(one => one.getTotalLength() > 300)")
        assert [url for url in tab.requests if not url.startswith(("file:", "data:"))] == []
        assert tab.problems == []
