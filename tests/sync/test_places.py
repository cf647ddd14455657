"""Where a mapping's index lives: what differs has another one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from devbox import wiring
from devbox.config.load import load


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _state_of(file: Path, host: str = "h", remote: str = "/srv/p") -> Path:
    file.write_text(f"name: p\nhost: {host}\nsync:\n  - {{local: ., remote: {remote}}}\n")
    config = load(file)
    return wiring.sync_place(config, config.sync[0]).state


def test_two_configs_in_one_folder_share_nothing(tmp_path: Path) -> None:
    states = [
        _state_of(tmp_path / "devbox.yaml"),
        _state_of(tmp_path / "other.yaml"),
        _state_of(tmp_path / "devbox.yaml", host="other"),
        _state_of(tmp_path / "devbox.yaml", remote="/srv/q"),
    ]
    for one, other in itertools.combinations(states, 2):
        assert one != other
    locks = {state.parents[1] for state in states[:3]}
    assert len(locks) == 3, "the lock and the control socket are each config's own as well"


def test_long_names_stay_different(tmp_path: Path) -> None:
    far = "/srv/" + "deep/" * 30
    one, other = (_state_of(tmp_path / "devbox.yaml", remote=far + name) for name in ("p", "q"))
    assert one != other
    assert len(one.name) < 100
    assert _state_of(tmp_path / "devbox.yaml", remote=far + "p") == one
