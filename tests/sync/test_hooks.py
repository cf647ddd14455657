"""Hooks: what follows which save, in which batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from devbox.config.load import parse
from devbox.config.model import Hook
from devbox.errors import DevboxError
from devbox.ports.events import Event
from devbox.sync.hooks import Hooks

PYTHON, CSS = Hook(("*.py", "!test_*.py"), restart=("web",)), Hook(("/static/",), run="make css")


class Deeds:
    """Remembers what was done; the first deed takes until `go` is set."""

    def __init__(self) -> None:
        self.done: list[tuple[Hook, list[str]]] = []
        self.events: list[Event] = []
        self.began, self.go = threading.Event(), threading.Event()

    def act(self, hook: Hook, paths: Sequence[str]) -> None:
        self.done.append((hook, list(paths)))
        self.began.set()
        assert self.go.wait(10)
        if paths[0] == "bad.py":
            raise DevboxError("it is bad")

    def hooks(self) -> Hooks:
        return Hooks([PYTHON, CSS], self.act, self.events.append)


def _burst(hooks: Hooks, *paths: str) -> None:
    for path in paths:
        hooks(Event("sync.applied", "", {"path": path}))
    hooks(Event("sync.followed", "", {"operations": len(paths)}))


def test_each_hook_once_per_burst_with_its_own_paths() -> None:
    deeds = Deeds()
    deeds.go.set()
    hooks = deeds.hooks()
    _burst(hooks, "a.py", "readme", "pkg/b.py", "test_c.py", "static/x.css")
    hooks.close()
    assert deeds.done == [(PYTHON, ["a.py", "pkg/b.py"]), (CSS, ["static/x.css"])]
    _burst(hooks, "readme", "test_c.py")
    hooks.close()
    assert len(deeds.done) == 2


def test_what_comes_meanwhile_is_one_burst_more() -> None:
    deeds = Deeds()
    hooks = deeds.hooks()
    _burst(hooks, "a.py")
    assert deeds.began.wait(10)
    for number in range(20):
        _burst(hooks, f"b{number % 3}.py")
    deeds.go.set()
    hooks.close()
    assert deeds.done == [(PYTHON, ["a.py"]), (PYTHON, ["b0.py", "b1.py", "b2.py"])]


def test_a_rename_counts_with_both_names_and_a_failure_is_said() -> None:
    deeds = Deeds()
    deeds.go.set()
    hooks = deeds.hooks()
    hooks(Event("sync.applied", "", {"path": "old", "to": "bad.py"}))
    hooks(Event("sync.ready"))
    hooks.close()
    assert deeds.done == [(PYTHON, ["bad.py"])]
    assert deeds.events[-1].kind == "sync.hook"
    assert deeds.events[-1].text == "hook failed: it is bad"


def test_they_stand_in_devbox_yaml() -> None:
    config = parse(
        "name: p\nsync:\n  - hooks:\n"
        "      - {paths: '*.py', restart: web}\n      - {paths: [a, b], run: [make, x]}\n"
    )
    assert config.sync[0].hooks == (Hook(("*.py",), restart=("web",)), Hook(("a", "b"), run=("make", "x")))
