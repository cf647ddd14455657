"""`devbox sync` as a user types it, to a real host; and what a bad link or a SIGKILL leaves behind."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.daemon import client
from tests.rehearsal.hosts import RehearsalHost, ssh_config
from tests.rehearsal.proxy import Proxy
from tests.sync.bench import fill, picture, wanted

pytestmark = pytest.mark.host

_REMOTE = "/home/dev/sync-tests"
_LIMIT = 120
"""Seconds for what must happen: with twenty others on the processor, a start alone takes half a minute."""


@dataclass
class User:
    """Someone with a project and a link to the host that can be made bad."""

    project: Path
    host: RehearsalHost
    proxy: Proxy
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "devbox", "-C", str(self.project), *words]
        return subprocess.Popen(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def devbox(self, *words: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=_LIMIT)
        assert process.returncode == code, (process.returncode, out, err)
        return out, err

    def there(self, into: Path) -> dict[str, object]:
        """The remote tree, brought here by other means than ours."""
        command = [*client(), "exec", self.host.container, "tar", "-C", f"{_REMOTE}/p", "-cf", "-", "."]
        packed = subprocess.run(command, check=True, capture_output=True).stdout
        into.mkdir()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(into)
        return picture(into)

    def left_alone(self) -> None:
        """Wait until nobody works there: what is in the pipes at a cut is still done, then the lock goes."""
        end = time.monotonic() + _LIMIT
        ours = "pgrep -u dev -a -f 'i = sys.stdin.buffer|sftp-server'; test $? -le 1"
        while working := self.host.sh(ours):
            assert time.monotonic() < end, working
            time.sleep(0.05)

    def leftovers(self) -> str:
        self.left_alone()
        return self.host.sh(f"ls {_REMOTE}/.devbox-staging.p").split("\n", 1)[0].strip()


@pytest.fixture
def user(
    tmp_path: Path, rehearsal_host: RehearsalHost, proxy_factory: Callable[..., Proxy]
) -> Iterator[User]:
    proxy = proxy_factory((rehearsal_host.address, 22))
    known = tmp_path / "known_hosts"
    block = next(one for one in ssh_config().split("Host ") if one.startswith(f"{rehearsal_host.name}\n"))
    source = next(line.split()[1] for line in block.splitlines() if "UserKnownHostsFile" in line)
    keys = [line.split(None, 1)[1] for line in Path(source).read_text().splitlines() if line]
    known.write_text("".join(f"[127.0.0.1]:{proxy.port} {key}\n" for key in keys))
    identity = next(line.split()[1] for line in block.splitlines() if "IdentityFile" in line)
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host far\n HostName 127.0.0.1\n Port {proxy.port}\n User dev\n IdentityFile {identity}\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {known}\n"
    )
    project = tmp_path / "project"
    project.mkdir()
    text = f"name: p\nhost: far\nsync:\n  - {{local: ., remote: {_REMOTE}/p}}\n"
    (project / "devbox.yaml").write_text(text)
    environment = {
        **os.environ,
        "DEVBOX_SSH_CONFIG": str(config),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    environment.pop("SSH_AUTH_SOCK", None)
    yield User(project, rehearsal_host, proxy, environment)
    rehearsal_host.sh(f"rm -rf {_REMOTE} /srv/nowhere")


def test_a_project_arrives_without_init_and_stays_in_step(user: User, tmp_path: Path) -> None:
    fill(user.project)
    out, _err = user.devbox("sync", "--dry-run")
    assert "put    app.py   (new)" in out
    user.devbox("sync")
    assert user.there(tmp_path / "first") == wanted(user.project)
    again = json.loads(user.devbox("--json", "sync")[0].splitlines()[-1])
    assert again["data"]["mappings"][0]["bytes"] == 0
    (user.project / "app.py").unlink()
    (user.project / "pkg").rename(user.project / "package")
    (user.project / "run.sh").chmod(0o644)
    user.devbox("sync")
    assert user.there(tmp_path / "second") == wanted(user.project)
    user.devbox("sync", "--verify")


def test_an_edit_on_the_host_is_a_conflict_with_exit_code_4(user: User, tmp_path: Path) -> None:
    fill(user.project)
    user.devbox("sync")
    user.host.sh(f"echo theirs > {_REMOTE}/p/app.py")
    out, err = user.devbox("sync", code=4)
    assert "conflict: app.py: changed on the host" in out
    assert "devbox sync --take local|remote PATH" in out, err
    user.devbox("sync", "--take", "remote", "app.py")
    assert (user.project / "app.py").read_text() == "theirs\n"
    user.devbox("sync")
    user.host.sh(f"echo theirs again > {_REMOTE}/p/app.py")
    user.devbox("sync", code=4)
    user.devbox("sync", "--take", "local", "app.py")
    assert user.there(tmp_path / "there") == wanted(user.project)


def test_a_root_that_cannot_be_made_gives_the_line_that_makes_it(user: User) -> None:
    file = user.project / "devbox.yaml"
    file.write_text("name: p\nhost: far\nsync:\n  - {local: ., remote: /srv/nowhere/p}\n")
    _out, err = user.devbox("sync", code=1)
    line = next(line for line in err.splitlines() if "sudo install" in line)
    command = line.partition("next: ")[2].replace(
        "ssh far", f"ssh -F {user.environment['DEVBOX_SSH_CONFIG']} far"
    )
    subprocess.run(command, shell=True, check=True, stdin=subprocess.DEVNULL)
    user.devbox("sync")
    assert "devbox.yaml" in user.host.sh("ls -A /srv/nowhere/p")


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
    assert user.host.sh(f"cat {_REMOTE}/p/app.py") == "saved after the link was cut"
    watching.send_signal(signal.SIGINT)
    assert watching.wait(_LIMIT) == 130
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
    assert watching.wait(_LIMIT) == 130
    watching.communicate()
    other.devbox("sync", "--verify")
    done = json.loads(other.devbox("--json", "sync")[0].splitlines()[-1])["data"]["mappings"][0]
    assert (done["put"], done["conflicts"]) == (0, {})


def test_pull_brings_home_what_was_made_there(user: User, tmp_path: Path) -> None:
    fill(user.project)
    user.devbox("sync")
    made = f"mkdir -p {_REMOTE}/p/migrations && cd {_REMOTE}/p && echo one > migrations/0001.py"
    user.host.sh(
        f"{made} && echo two > migrations/0002.py && echo junk > migrations/x.pyc && echo l > uv.lock"
    )
    out, err = user.devbox("sync", "--pull", "migrations")
    assert "pulled migrations/0001.py" in err, out
    assert sorted(one.name for one in (user.project / "migrations").iterdir()) == ["0001.py", "0002.py"]
    user.devbox("sync", "--pull", "uv.lock")
    assert (user.project / "uv.lock").read_text() == "l\n"
    (user.project / "uv.lock").write_text("newer here")
    user.host.sh(f"echo newer there > {_REMOTE}/p/uv.lock")
    _out, err = user.devbox("sync", "--pull", "uv.lock", code=1)
    assert "has changes that the host does not have" in err
    assert (user.project / "uv.lock").read_text() == "newer here"
    user.devbox("sync", "--pull", "nothing", code=1)
    user.devbox("sync", "--take", "local", "uv.lock")
    assert user.host.sh(f"cat {_REMOTE}/p/uv.lock") == "newer here"


def test_verify_finds_what_a_stat_does_not_show(user: User) -> None:
    fill(user.project)
    user.devbox("sync")
    file = f"{_REMOTE}/p/app.py"
    user.host.sh(
        f"touch -r {file} /tmp/when && printf 'print(\"HELLO\")\n' > {file} && touch -r /tmp/when {file}"
    )
    user.host.sh(f"rm {_REMOTE}/p/pkg/a.py")
    out, _err = user.devbox("sync", "--verify", code=4)
    assert "verified /home/dev/sync-tests/p: 5 of 7 files and links are as they should be" in out
    assert "app.py: differs on the host" in out
    assert "pkg/a.py: missing on the host" in out
    assert user.host.sh(f"cat {file}").startswith('print("HELLO")'), "nothing was changed"


def test_a_mass_of_deletes_waits_for_a_yes(user: User, tmp_path: Path) -> None:
    fill(user.project)
    for number in range(40):
        (user.project / f"many{number}").write_text("x")
    user.devbox("sync")
    for number in range(40):
        (user.project / f"many{number}").unlink()
    out, _err = user.devbox("sync", code=4)
    assert "40 deletes wait for a yes; next: devbox sync --confirm-deletes" in out
    assert len(user.host.sh(f"ls {_REMOTE}/p | grep many").split()) == 40
    user.devbox("sync", "--confirm-deletes")
    assert user.there(tmp_path / "there") == wanted(user.project)


def test_one_path_that_cannot_be_written_stops_no_other(user: User, tmp_path: Path) -> None:
    """Permission, per path: said, exit code 4, tried again at the next run."""
    fill(user.project)
    user.devbox("sync")
    user.host.sh(f"chown root {_REMOTE}/p/pkg && chmod 755 {_REMOTE}/p/pkg")
    for name in ("app.py", "pkg/a.py"):
        (user.project / name).write_text("changed")
    out, _err = user.devbox("sync", code=4)
    assert "problem: pkg/a.py: " in out
    assert "ermission denied" in out
    assert user.host.sh(f"cat {_REMOTE}/p/app.py") == "changed"
    user.host.sh(f"chown dev {_REMOTE}/p/pkg")
    user.devbox("sync")
    assert user.there(tmp_path / "there") == wanted(user.project)


def test_a_full_disk_tears_nothing(user: User, tmp_path: Path) -> None:
    fill(user.project)
    user.host.sh(f"mkdir -p {_REMOTE} && mount -t tmpfs -o size=2m,uid=$(id -u dev) none {_REMOTE}")
    try:
        (user.project / "blob").write_bytes(os.urandom(1000))
        user.devbox("sync")
        before = user.host.sh(f"md5sum < {_REMOTE}/p/blob")
        (user.project / "blob").write_bytes(os.urandom(5_000_000))
        (user.project / "small").write_text("others go on")
        out, _err = user.devbox("sync", code=4)
        assert "problem: blob: " in out
        assert user.host.sh(f"md5sum < {_REMOTE}/p/blob") == before
        assert user.host.sh(f"cat {_REMOTE}/p/small") == "others go on"
        (user.project / "blob").write_bytes(os.urandom(1000))
        user.devbox("sync")
        assert user.leftovers() == "root"
        user.host.sh(f"mount -o remount,ro {_REMOTE}")
        (user.project / "small").write_text("read-only now")
        out, err = user.devbox("sync", code=1)
        assert "ead-only" in err, (out, err)
    finally:
        user.host.sh(f"umount {_REMOTE}")


def test_hooks_follow_a_save_once_it_is_there(user: User) -> None:
    file = user.project / "devbox.yaml"
    hooks = "    hooks:\n      - {paths: '*.py', run: 'cat \"$@\" >> ../seen'}\n"
    hooks += "      - {paths: bad.txt, run: [ls, /nowhere]}\n"
    file.write_text(f"name: p\nhost: far\nsync:\n  - local: .\n    remote: {_REMOTE}/p\n{hooks}")
    fill(user.project)
    user.devbox("sync")
    watching = Watch(user, user.start("--json", "sync", "--watch"))
    watching.until("sync.ready")
    (user.project / "app.py").write_text("first\n")
    assert watching.until("sync.hook")["data"]["paths"] == ["app.py"]
    assert user.host.sh(f"cat {_REMOTE}/seen") == "first\n"
    seen = len(watching.events)
    (user.project / "bad.txt").write_text("x")
    assert "it ended with 2" in watching.until("sync.hook", seen)["text"]
    watching.end()


def test_one_line_on_a_terminal_says_how_it_stands(user: User) -> None:
    fill(user.project)
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    command = [sys.executable, "-m", "devbox", "-C", str(user.project), "sync", "--watch"]
    process = subprocess.Popen(command, env=user.environment, stderr=there, stdin=subprocess.DEVNULL)
    os.close(there)
    shown, end = "", time.monotonic() + _LIMIT
    saved = False
    while not re.search(r"\x1b\[Kin step; [^\x1b]*sent, last app.py; RTT", shown):
        assert time.monotonic() < end, shown
        shown += os.read(here, 65536).decode()
        if "in step" in shown and not saved:
            (user.project / "app.py").write_text("saved")
            saved = True
    process.send_signal(signal.SIGINT)
    assert process.wait(_LIMIT) == 130
    os.close(here)
    lines = shown.split("\x1b[K")
    assert any(line.startswith("in step; ") and "sent, last app.py; RTT" in line for line in lines), lines
    assert any("put app.py" in line for line in lines), "what is said stands above it"


_CHROOT = """
id jailed >/dev/null 2>&1 || useradd -m -s /usr/sbin/nologin jailed
mkdir -p /srv/jail/work ~jailed/.ssh
chown jailed /srv/jail/work
cp ~dev/.ssh/authorized_keys ~jailed/.ssh/ && chown -R jailed ~jailed/.ssh
cat > /etc/ssh/sshd_config.d/jailed.conf <<'END'
Match User jailed
  ChrootDirectory /srv/jail
  ForceCommand internal-sftp
END
systemctl reload ssh
"""


def test_an_account_with_nothing_but_sftp_in_a_chroot(user: User) -> None:
    """OpenSSH's internal-sftp: no shell, no python3, no home; a root that belongs to somebody else."""
    user.host.sh(_CHROOT)
    config = Path(user.environment["DEVBOX_SSH_CONFIG"])
    config.write_text(config.read_text().replace("User dev", "User jailed"))
    file = user.project / "devbox.yaml"
    file.write_text("name: p\nhost: far\nsync:\n  - {local: ., remote: /work/p}\n")
    fill(user.project)
    user.devbox("sync")
    assert user.host.sh("cat /srv/jail/work/p/pkg/deep/b.py") == "b = 2\n"
    (user.project / "app.py").write_text("changed")
    (user.project / "pkg" / "a.py").unlink()
    user.devbox("sync")
    assert user.host.sh("cat /srv/jail/work/p/app.py; ls /srv/jail/work/p/pkg") == "changeddeep\n"
    user.host.sh("echo theirs now > /srv/jail/work/p/app.py")
    assert "conflict: app.py" in user.devbox("sync", code=4)[0]
    user.devbox("sync", "--take", "remote", "app.py")
    assert (user.project / "app.py").read_text() == "theirs now\n"
    user.devbox("sync", "--verify")
    user.host.sh("rm /etc/ssh/sshd_config.d/jailed.conf; systemctl reload ssh; rm -rf /srv/jail")


@dataclass
class Watch:
    """`devbox --json sync --watch`; its events are read on a thread of their own."""

    user: User
    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def end(self) -> None:
        """Stop it. Its output is read to the end before anybody closes that."""
        self.process.send_signal(signal.SIGINT)
        self.reader.join(_LIMIT)
        self.process.communicate(timeout=_LIMIT)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append({**json.loads(line), "at": time.monotonic()})

    def until(self, kind: str, since: int = 0, seconds: float = _LIMIT) -> dict[str, Any]:
        """The first event of that kind behind the first `since`."""
        end = time.monotonic() + seconds
        while True:
            found = next((one for one in self.events[since:] if one["kind"] == kind), None)
            if found:
                return found
            assert time.monotonic() < end, (kind, self.events[-5:])
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            time.sleep(0.01)

    def arrived(self, name: str, text: str) -> None:
        end = time.monotonic() + _LIMIT
        while self.user.host.sh(f"cat {_REMOTE}/p/{name}") != text:
            assert time.monotonic() < end, self.events[-5:]


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
    end = time.monotonic() + _LIMIT
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
    out, err = process.communicate(timeout=_LIMIT)
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
    _out, err = process.communicate(timeout=_LIMIT)
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
    _out, err = first.communicate(timeout=_LIMIT)
    assert first.returncode == 0, err
    assert user.there(tmp_path / "after") == picture(user.project)
