"""The script that a stranger runs first, as they run it: twice, then everything taken away again."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal import hosts

TOP = Path(__file__).resolve().parents[2]
NAME = hosts.shared_name("demo")

pytestmark = [pytest.mark.host, pytest.mark.timeout(900)]


def _demo(*words: str) -> str:
    """What it says, without colours."""
    argv = [str(TOP / "scripts" / "demo"), *words]
    done = subprocess.run(
        argv,
        env={**os.environ, "DEVBOX_DEMO": NAME},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def _watchers() -> list[str]:
    """Command lines of the demo's watching processes."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if f"devbox/{NAME}/shop sync --watch" in words:
            found.append(words)
    return found


@pytest.fixture
def cleared(bench: None) -> Iterator[None]:
    """Whatever becomes of the demo, it is gone afterwards."""
    try:
        yield
    finally:
        _demo("--down")


def test_the_main_road_from_a_bare_checkout_and_once_more(cleared: None) -> None:
    first = _demo()
    for said in (
        "ok  with our certificate       let in at",
        "ok  without a certificate      refused",
        "ok  with a foreign certificate refused",
        "ok  in plain HTTP              refused",
        "answers the real Docker CLI",
        "(refused, as it must be)",
        "built shop-dev",
        "a teapot costs 2401 instead of 2400",
        "the slowest function: Payments.charge",
        "ok  sync --watch               in step",
        "ok  gateway answers",
        "the chain holds",
    ):
        assert said in first, (said, first)
    assert re.search(r"synced ~/devbox/shop: \d{3,} sent \(\d", first), first
    waterfall = first[first.index("$ devbox trace show") : first.index("$ devbox trace slow")]
    assert {"gateway", "order", "user", "payment", "notify"} <= {
        row.split(" ")[0] for row in waterfall.splitlines()
    }
    again = _demo()
    assert "a teapot costs 2402 instead of 2401" in again
    assert "the chain holds" in again
    assert len(_watchers()) == 1
    _demo("--down")
    assert (hosts.find(NAME), _watchers()) == (None, [])
