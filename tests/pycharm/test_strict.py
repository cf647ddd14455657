"""Interpreter entries: ours pass the strict reader, broken ones do not, and real ones do."""

from __future__ import annotations

import pytest

from devbox.errors import DevboxError
from devbox.pycharm import render, strict
from devbox.pycharm.xml import Node, parse, pretty
from tests.pycharm import samples
from tests.pycharm.example import VARIATIONS


def table(facts: str) -> Node:
    return next(one for one in render.ide(VARIATIONS[facts]) if one.path.endswith("jdk.table.xml")).root


def test_all_of_ours_are_readable() -> None:
    counts = {}
    for name, facts in VARIATIONS.items():
        for wanted in render.ide(facts):
            strict.require(wanted.root)
            if wanted.path.endswith("jdk.table.xml"):
                counts[name] = sum(node.tag == "jdk" for node in wanted.root.walk())
    assert counts.pop("ssh") == 1
    assert set(counts.values()) == {2}
    assert "nothing known" not in counts


def test_all_real_ones_are_readable() -> None:
    seen = 0
    for name, data in samples.load().items():
        if samples.kind_of(name) == "jdk-table":
            strict.require(parse(data).root)
            seen += 1
    assert seen == 7


@pytest.mark.parametrize(
    ("facts", "harm", "instead", "said"),
    [
        ("docker", 'jdk version="2"', 'jdk version="1"', "version is not 2"),
        ("docker", '<type value="Python SDK" />', "", "its children are not"),
        ("docker", '<type value="Python SDK" />', '<type value="JavaSDK" />', "type is not Python SDK"),
        ("docker", '<root type="composite" />', "", "not exactly one composite root"),
        ("docker", '<root type="composite" />', '<root type="simple" />', "not exactly one composite root"),
        ("docker", "SDK_UUID=", "SDK_ID=", "SDK_UUID is not a uuid"),
        ("docker", "<homePath value=", '<homePath value="x" old=', "INTERPRETER_PATH is not the home path"),
        ("docker", 'type="docker"', 'type="podman"', "no kind of target"),
        ("docker", '<option name="tagToPull" value="shop-dev:latest" />', "", "the target has no tagToPull"),
        ("docker", 'value="shop@10.0.0.200" />', 'value="" />', "the target has no dockerServerName"),
        ("compose", '<option name="serviceName" value="web" />', "", "the target has no serviceName"),
        ("ssh", 'name="webServerConfigId"', 'name="webServer"', "the target has no webServerConfigId"),
        ("older", "docker://", "", "neither a target nor a remote home path"),
        ("older", "INTERPRETER_PATH=", "PATH=", "no INTERPRETER_PATH"),
    ],
)
def test_a_broken_one_is_refused_with_the_reason(facts: str, harm: str, instead: str, said: str) -> None:
    text = pretty(table(facts))
    assert harm in text
    with pytest.raises(DevboxError, match=said):
        strict.require(parse(text.replace(harm, instead).encode()).root)
