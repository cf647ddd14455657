"""What a forwarding process says is believed only while it lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from devbox.errors import DevboxError
from devbox.services.forwarded import StateFile


def _own(folder: Path, ready: Event) -> None:
    state = StateFile(folder)
    state.claim()
    state.write({"web": ["http://127.0.0.1:8000"]}, connected=True)
    ready.set()
    signal.pause()


@pytest.fixture
def owner(tmp_path: Path) -> multiprocessing.Process:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_own, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(30)
    return process  # type: ignore[return-value]


def test_a_living_owner_is_believed_and_cannot_be_joined(
    tmp_path: Path, owner: multiprocessing.Process
) -> None:
    state = StateFile(tmp_path)
    assert state.owner() == owner.pid
    assert state.addresses() == {"web": ["http://127.0.0.1:8000"]}
    with pytest.raises(DevboxError, match="already forwarded"):
        state.claim()
    assert state.end_owner()
    assert state.owner() is None


def test_a_killed_owner_is_not_believed(tmp_path: Path, owner: multiprocessing.Process) -> None:
    assert owner.pid is not None
    os.kill(owner.pid, signal.SIGKILL)
    owner.join(30)
    state = StateFile(tmp_path)
    assert state.addresses() == {}
    assert not state.end_owner()
    state.claim()
    state.release()


def test_nothing_there_is_nothing_said(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "none").addresses() == {}
