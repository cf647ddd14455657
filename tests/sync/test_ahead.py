"""Work begun before it is wanted: who is asked, what becomes of errors, what of a result nobody wants."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from devbox.adapters.ahead import Ahead
from devbox.ports.ask import Ask, Nobody


@dataclass
class Person:
    """Says yes, and remembers on which thread."""

    threads: list[threading.Thread] = field(default_factory=list)

    def secret(self, prompt: str) -> str | None:
        self.threads.append(threading.current_thread())
        return prompt.upper()

    def confirm(self, question: str) -> bool | None:
        self.threads.append(threading.current_thread())
        return True


def _work(ask: Ask) -> tuple[object, ...]:
    return ask.secret("password"), ask.confirm("sure?"), threading.current_thread()


def test_a_person_is_asked_by_who_waits() -> None:
    person = Person()
    secret, sure, worker = Ahead(_work, lambda done: None).result(person)
    assert (secret, sure) == ("PASSWORD", True)
    assert person.threads == [threading.current_thread()] * 2
    assert worker is not threading.current_thread()


def test_nobody_answers() -> None:
    assert Ahead(_work, lambda done: None).result(Nobody())[:2] == (None, None)


def test_its_error_is_raised_where_the_result_is_wanted() -> None:
    def work(ask: Ask) -> None:
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        Ahead(work, lambda done: None).result(Nobody())


@pytest.mark.parametrize("dropped_first", [True, False])
def test_a_result_that_nobody_wants_is_taken_back(dropped_first: bool) -> None:
    go, undone = threading.Event(), threading.Event()

    def work(ask: Ask) -> str:
        go.wait(30)
        return "done"

    ahead = Ahead(work, lambda done: undone.set())
    if not dropped_first:
        go.set()
        assert ahead.ended.wait(30)
    ahead.drop()
    assert undone.is_set() is not dropped_first
    go.set()
    assert undone.wait(30)
