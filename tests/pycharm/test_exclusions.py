"""Ignore rules in PyCharm's two forms; what has neither form is named."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbox.pycharm.exclusions import IDE_DEFAULT_EXCLUDED, Rules, excluded
from devbox.pycharm.model import Excluded
from devbox.sync import rules as git


def said(*lines: str, base: str = "") -> Excluded:
    found = excluded([Rules(base, lines)])
    assert found.names[: len(IDE_DEFAULT_EXCLUDED)] == IDE_DEFAULT_EXCLUDED
    return Excluded(found.names[len(IDE_DEFAULT_EXCLUDED) :], found.folders, found.unsaid)


@pytest.mark.parametrize(
    ("rule", "names", "folders"),
    [
        (".venv/", (".venv",), ()),
        ("*.log  ", ("*.log",), ()),
        ("**/cache", ("cache",), ()),
        ("*.py[cod]", ("*.pyd", "*.pyo"), ()),  # *.pyc is left out by PyCharm itself
        ("/docs/_build/", (), ("docs/_build",)),
        ("/dist", (), ("dist",)),
        ("data/raw/**", (), ("data/raw",)),
    ],
)
def test_rules_take_the_forms_that_pycharm_has(
    rule: str, names: tuple[str, ...], folders: tuple[str, ...]
) -> None:
    found = said("# a comment", "", rule)
    assert (set(found.names) - {"*.pyc"}, found.folders, found.unsaid) == (set(names), folders, ())


@pytest.mark.parametrize(
    "rule",
    ["a/*.tmp", "/*.log", "*", "/*", "**", "x;y", r"\#name", "*.[!a]", "*.[a-z]", "a[bc", "*.[0123456789]"],
)
def test_what_they_cannot_say_is_named(rule: str) -> None:
    assert said(rule) == Excluded((), (), (rule,))


def test_a_rule_taken_back_whole_is_gone_and_another_exception_is_named() -> None:
    assert said("build/", "/dist", "!build", "!/dist") == Excluded()
    assert said("*.log", "!kept.log") == Excluded(("*.log",), (), ("!kept.log",))


def test_rules_of_a_folder_hold_there_only() -> None:
    assert said("/out", "deep/er/", "name", base="lib") == Excluded((), ("lib/out", "lib/deep/er"), ("name",))


SEGMENT = st.text("ab*?[]!./", min_size=1, max_size=8)
PATH = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3).map("/".join)


@settings(max_examples=500, deadline=None)
@given(SEGMENT, PATH)
def test_a_rule_that_is_said_excludes_what_git_ignores(rule: str, path: str) -> None:
    found = said(rule)
    lines = git.parse(rule.encode())
    parents = [path[:at] for at in range(len(path)) if path[at] == "/"]
    ignored = any(git.ignored(one.encode(), True, [lines]) for one in [*parents, path])
    named = any(fnmatch.fnmatchcase(part, name) for part in path.split("/") for name in found.names)
    placed = any(path == folder or path.startswith(folder + "/") for folder in found.folders)
    if not found.unsaid:
        assert ignored == (named or placed)
