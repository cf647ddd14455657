"""The access log becomes spans, whatever happens to the file; logs stay short."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.workload.servers.accesslog import Tail
from tests.workload.conftest import running
from tests.workload.shops import Running, eventually


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def tails(log: Path) -> Iterator[Callable[[], Tail]]:
    """Makes readers of the log, one after the other."""
    made: list[Tail] = []

    def another() -> Tail:
        made.append(Tail(log))
        return made[-1]

    yield another
    for tail in made:
        tail.close()


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_what_was_there_before_is_read_and_half_lines_wait(log: Path, tails: Callable[[], Tail]) -> None:
    tail = tails()
    assert tail.lines() == []
    append(log, "one\ntw")
    assert tail.lines() == ["one"]
    append(log, "o\n")
    assert tail.lines() == ["two"]


def test_a_reader_that_was_killed_has_an_heir(log: Path, tails: Callable[[], Tail]) -> None:
    append(log, "one\ntwo\nthr")
    first = tails()
    assert first.lines() == ["one", "two"]
    first.note()
    append(log, "ee\nfour\n")
    assert tails().lines() == ["three", "four"]


def test_rotation_loses_nothing(log: Path, tails: Callable[[], Tail]) -> None:
    tail = tails()
    append(log, "one\n")
    assert tail.lines() == ["one"]
    old = log.with_name("access.log.1")
    log.rename(old)
    append(old, "late\n")
    append(log, "new\n")
    append(old, "later\n")
    found: list[str] = []
    for _ in range(5):
        found += tail.lines()
        tail.note()
    assert found == ["late", "later", "new"]
    append(log, "newer\n")
    assert tails().lines() == ["newer"]


def test_a_log_that_was_cut_is_read_from_its_beginning(log: Path, tails: Callable[[], Tail]) -> None:
    tail = tails()
    append(log, "a long line\n")
    assert tail.lines() == ["a long line"]
    os.truncate(log, 0)
    append(log, "short\n")
    assert tail.lines() == ["short"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Running]:
    yield from running(tmp_path)


def test_long_logs_are_begun_anew_and_traces_go_on(shop: Running) -> None:
    access = shop.shop.state / "nginx" / "access.log"
    errors = shop.shop.state / "logs" / "order.log"
    append(access, f"{'x' * 1023}\n" * (17 << 10))
    append(errors, f"{'y' * 1023}\n" * (5 << 10))
    eventually(lambda: access.with_name("access.log.1").exists() and access.exists())
    eventually(lambda: errors.with_name("order.log.1").exists() and errors.stat().st_size == 0)
    placed = shop.order()
    assert {span.operation.service for span in shop.whole_trace(placed.trace)} >= {"gateway", "order"}
    assert access.stat().st_size < 100_000
