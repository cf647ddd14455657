"""`up --trace`: spans of a program that knows nothing of devbox, in an image that has nothing of it."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from tests.services.shop import Shop

pytestmark = pytest.mark.host

PAGES = """
import time

def slow_words():
    time.sleep(0.05)
    return b"slow words"
"""
APP = """
from wsgiref.simple_server import make_server
from pages import slow_words

def application(environ, start_response):
    start_response("200 OK", [])
    return [slow_words()]

make_server("0.0.0.0", 8000, application).serve_forever()
"""
STRANGER = """
  stranger:
    command: [python, -c, "import pages, time; pages.slow_words(); time.sleep(3600)"]
    user: "4242:4242"
"""
"""It runs as nobody that the host knows."""
ABSENT = "import importlib.util as find, sys; sys.exit(find.find_spec('devbox_tracer') is not None)"


def test_spans_arrive_and_nothing_is_installed(shop: Shop) -> None:
    (shop.folder / "server.py").write_text(APP)
    (shop.folder / "pages.py").write_text(PAGES)
    shop.configure(services=STRANGER)
    run = shop.terminal.devbox
    run("up", "--trace", "web", "stranger")
    assert shop.page() == "slow words"
    (address,) = shop.rows()["web"]["addresses"]  # type: ignore[misc]
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert answer.read() == b"slow words"

    end = time.monotonic() + 20
    found: set[str] = set()
    while found != {"web", "stranger"} and time.monotonic() < end:
        rows = json.loads(run("trace", "slow", "--json").stdout)
        found = {row["operation"]["service"] for row in rows if "slow_words" in str(row)}
    assert found == {"web", "stranger"}, rows
    assert json.loads(run("trace", "ls", "--service", "web", "--json").stdout)

    # Without --trace the same image runs without any of it.
    run("run", "--", "python", "-c", ABSENT)
    run("up", "--no-build", "--no-sync", "web")
    run("exec", "web", "python", "-c", ABSENT)
