"""Two at once, bad links, a laptop that sleeps, a SIGKILL: watching and syncing to a real host."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sync.bench import fill, picture, wanted
from tests.sync.user import LIMIT, REMOTE, User, Watch

pytestmark = pytest.mark.host


def test_watching_follows_answers_and_refuses_a_second(user: User, tmp_path: Path) -> None:
    fill(user.project)
    watching = user.start("sync", "--watch")
    assert watching.stderr is not None
    assert any("in step" in line for line in iter(watching.stderr.readline, ""))
    (user.project / "app.py").write_text("saved")
    user.devbox("sync", "--flush")
    assert user.there(tmp_path / "flushed") == wanted(user.project)
    assert json.loads(user.devbox("--json", "sync", "--status")[0])["watching"]
    _out, err = user.devbox("sync", "--watch", code=1)
    assert f"process {watching.pid}" in err
    user.proxy.cut()
    (user.project / "app.py").write_text("saved after the link was cut")
    user.devbox("sync", "--flush")
    assert user.host.sh(f"cat {REMOTE}/p/app.py") == "saved after the link was cut"
    watching.send_signal(signal.SIGINT)
    assert watching.wait(LIMIT) == 130
    watching.communicate()
    assert "nobody watches" in user.devbox("sync", "--status")[0]


def test_a_second_machine_is_refused_while_the_first_one_works(user: User, tmp_path: Path) -> None:
    """A state folder of its own and a project of its own are what makes another machine."""
    fill(user.project)
    other = replace(user, project=tmp_path / "elsewhere", environment={**user.environment})
    other.environment["XDG_STATE_HOME"] = str(tmp_path / "other state")
    shutil.copytree(user.project, other.project, symlinks=True)
    watching = user.start("sync", "--watch")
    assert watching.stderr is not None
    assert any("in step" in line for line in iter(watching.stderr.readline, ""))
    _out, err = other.devbox("sync", code=1)
    assert "another devbox syncs to this remote root" in err
    assert f"process {watching.pid}, seen" in err
    other.devbox("sync", "--dry-run")
    watching.send_signal(signal.SIGINT)
    assert watching.wait(LIMIT) == 130
    watching.communicate()
    other.devbox("sync", "--verify")
    done = json.loads(other.devbox("--json", "sync")[0].splitlines()[-1])["data"]["mappings"][0]
    assert (done["put"], done["conflicts"]) == (0, {})


@pytest.fixture
def watch(user: User) -> Iterator[Watch]:
    fill(user.project)
    running = Watch(user, user.start("--json", "sync", "--watch"))
    running.until("sync.ready")
    yield running
    user.proxy.resume()
    running.end()


def test_a_dead_link_is_noticed_though_nothing_says_so(watch: Watch) -> None:
    """The cable is out, while something is saved and while nothing happens. TCP alone would need minutes."""
    user, seen = watch.user, len(watch.events)
    user.proxy.blackhole()
    (user.project / "app.py").write_text("saved into nothing")
    watch.until("sync.offline", seen)
    user.proxy.resume()
    watch.until("sync.ready", seen)
    watch.arrived("app.py", "saved into nothing")
    seen = len(watch.events)
    user.proxy.blackhole()
    watch.until("sync.offline", seen)
    user.proxy.resume()
    watch.until("sync.ready", seen)


def test_a_laptop_that_sleeps(watch: Watch) -> None:
    """Stopped like a sleeping laptop; what was saved meanwhile (by another program) follows when it wakes."""
    watch.process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    (watch.user.project / "app.py").write_text("while it slept")
    watch.process.send_signal(signal.SIGCONT)
    watch.arrived("app.py", "while it slept")


def _large(project: Path) -> None:
    for number in range(300):
        (project / f"f{number:03}").write_bytes(os.urandom(40_000))


def _started(user: User) -> subprocess.Popen[str]:
    """A sync of 12 MB over a slow road, caught in the middle."""
    user.proxy.delay = 0.05
    process = user.start("sync")
    end = time.monotonic() + LIMIT
    while user.proxy.carried["up"] < 1_500_000:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, user.proxy.carried
        time.sleep(0.002)
    return process


def test_a_cut_in_the_middle_leaves_no_half_file_and_converges(user: User, tmp_path: Path) -> None:
    _large(user.project)
    process = _started(user)
    user.proxy.refuse()
    user.proxy.cut()
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, (out, err)
    assert "error:" in err
    assert "Traceback" not in err
    user.proxy.delay = 0.0
    user.left_alone()
    whole = picture(user.project)
    assert all(whole[name] == what for name, what in user.there(tmp_path / "cut").items())
    user.proxy.refuse(False)
    user.devbox("sync")
    assert user.there(tmp_path / "after") == whole
    assert user.leftovers() == "root"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle(user: User, tmp_path: Path, number: signal.Signals) -> None:
    _large(user.project)
    process = _started(user)
    process.send_signal(number)
    _out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL), err
    assert "Traceback" not in err
    user.proxy.delay = 0.0
    user.left_alone()
    whole = picture(user.project)
    assert all(whole[name] == what for name, what in user.there(tmp_path / "then").items())
    (user.project / "f000").write_text("changed meanwhile")
    user.devbox("sync")
    assert user.there(tmp_path / "after") == picture(user.project)
    assert user.leftovers() == "root"


def test_two_at_once(user: User, tmp_path: Path) -> None:
    _large(user.project)
    first = _started(user)
    first.send_signal(signal.SIGSTOP)  # it must not be done before the second one has begun
    try:
        _out, err = user.devbox("sync", code=1)
    finally:
        first.send_signal(signal.SIGCONT)
    assert "another devbox syncs this project to this host" in err
    assert f"process {first.pid} holds the lock" in err
    assert "next: " in err
    user.proxy.delay = 0.0
    _out, err = first.communicate(timeout=LIMIT)
    assert first.returncode == 0, err
    assert user.there(tmp_path / "after") == picture(user.project)
