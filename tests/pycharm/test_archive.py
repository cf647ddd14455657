"""What a settings archive says about itself: which version takes what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devbox.config.model import Endpoint
from devbox.pycharm.archive import build, limits
from devbox.pycharm.model import Ssh
from tests.pycharm.example import FACTS


@pytest.mark.parametrize(
    ("version", "servers", "sdks"),
    [
        ((2019, 3), "may not offer the Docker connection", ""),
        ((2021, 3), "may not offer the Docker connection", "may not offer interpreters"),
        ((2022, 3), "", "may not offer interpreters"),
        ((2023, 2), "", "does not import interpreters"),
        ((2025, 1), "", "does not import interpreters"),
    ],
)
def test_each_version_has_its_own_limits(version: tuple[int, int], servers: str, sdks: str) -> None:
    said = list(limits(replace(FACTS, version=version)))
    assert any("replaces whole files" in line for line in said)
    about = {
        name: " ".join(line for line in said if name in line) for name in ("remote-servers", "jdk.table")
    }
    for name, expected in (("remote-servers", servers), ("jdk.table", sdks)):
        assert expected in about[name]
        assert bool(expected) == bool(about[name])
        assert not expected or "--install" in about[name]
    assert f"PyCharm {version[0]}.{version[1]}" in " ".join(said) or not (servers or sdks)


def test_keys_are_named_because_they_are_not_in_it() -> None:
    keys = "~/.config/devbox/hosts/10.0.0.200 and ~/.ssh/id_ed25519"
    assert keys in list(limits(FACTS))[-1]
    agent = replace(FACTS, ssh=Ssh("dev", "10.0.0.200"), endpoint=Endpoint.SSH)
    assert not any("keys are in no archive" in line for line in limits(agent))


def test_the_same_files_make_the_same_archive() -> None:
    assert build({"b": b"1", "a": b"2"}) == build({"a": b"2", "b": b"1"})
