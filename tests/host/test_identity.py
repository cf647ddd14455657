"""The word that tells this machine from others of its name."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devbox.errors import HostError
from devbox.host import identity


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "devbox"


def test_it_is_made_once_and_kept(state: Path) -> None:
    first = identity.client()
    assert identity.client() == first
    assert (state / "client").read_text() == f"{first}\n"
    assert os.listdir(state) == ["client"]


def test_another_machine_has_another(state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = identity.client()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "twin"))
    assert identity.client() != first


def test_a_damaged_file_is_made_anew(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "client").write_text("half a w")
    first = identity.client()
    assert len(first) == 16
    assert identity.client() == first


def test_a_folder_that_cannot_be_written_is_named(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("no folder")
    with pytest.raises(HostError) as raised:
        identity.client()
    assert str(state / "client") in str(raised.value)


def test_many_at_once_agree(state: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: identity.client(), range(32)))) == 1
