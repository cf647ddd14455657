"""`devbox sync` as a user types it, to a real host."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.sync.bench import fill, wanted
from tests.sync.user import LIMIT, REMOTE, User, Watch

pytestmark = pytest.mark.host


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
    user.host.sh(f"echo theirs > {REMOTE}/p/app.py")
    out, err = user.devbox("sync", code=4)
    assert "conflict: app.py: changed on the host" in out
    assert "devbox sync --take local|remote PATH" in out, err
    user.devbox("sync", "--take", "remote", "app.py")
    assert (user.project / "app.py").read_text() == "theirs\n"
    user.devbox("sync")
    user.host.sh(f"echo theirs again > {REMOTE}/p/app.py")
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


def test_pull_brings_home_what_was_made_there(user: User, tmp_path: Path) -> None:
    fill(user.project)
    user.devbox("sync")
    made = f"mkdir -p {REMOTE}/p/migrations && cd {REMOTE}/p && echo one > migrations/0001.py"
    user.host.sh(
        f"{made} && echo two > migrations/0002.py && echo junk > migrations/x.pyc && echo l > uv.lock"
    )
    out, err = user.devbox("sync", "--pull", "migrations")
    assert "pulled migrations/0001.py" in err, out
    assert sorted(one.name for one in (user.project / "migrations").iterdir()) == ["0001.py", "0002.py"]
    user.devbox("sync", "--pull", "uv.lock")
    assert (user.project / "uv.lock").read_text() == "l\n"
    (user.project / "uv.lock").write_text("newer here")
    user.host.sh(f"echo newer there > {REMOTE}/p/uv.lock")
    _out, err = user.devbox("sync", "--pull", "uv.lock", code=1)
    assert "has changes that the host does not have" in err
    assert (user.project / "uv.lock").read_text() == "newer here"
    user.devbox("sync", "--pull", "nothing", code=1)
    user.devbox("sync", "--take", "local", "uv.lock")
    assert user.host.sh(f"cat {REMOTE}/p/uv.lock") == "newer here"


def test_verify_finds_what_a_stat_does_not_show(user: User) -> None:
    fill(user.project)
    user.devbox("sync")
    file = f"{REMOTE}/p/app.py"
    user.host.sh(
        f"touch -r {file} /tmp/when && printf 'print(\"HELLO\")\n' > {file} && touch -r /tmp/when {file}"
    )
    user.host.sh(f"rm {REMOTE}/p/pkg/a.py")
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
    assert len(user.host.sh(f"ls {REMOTE}/p | grep many").split()) == 40
    user.devbox("sync", "--confirm-deletes")
    assert user.there(tmp_path / "there") == wanted(user.project)


def test_one_path_that_cannot_be_written_stops_no_other(user: User, tmp_path: Path) -> None:
    """Permission, per path: said, exit code 4, tried again at the next run."""
    fill(user.project)
    user.devbox("sync")
    user.host.sh(f"chown root {REMOTE}/p/pkg && chmod 755 {REMOTE}/p/pkg")
    for name in ("app.py", "pkg/a.py"):
        (user.project / name).write_text("changed")
    out, _err = user.devbox("sync", code=4)
    assert "problem: pkg/a.py: " in out
    assert "ermission denied" in out
    assert user.host.sh(f"cat {REMOTE}/p/app.py") == "changed"
    user.host.sh(f"chown dev {REMOTE}/p/pkg")
    user.devbox("sync")
    assert user.there(tmp_path / "there") == wanted(user.project)


def test_a_full_disk_tears_nothing(user: User, tmp_path: Path) -> None:
    fill(user.project)
    user.host.sh(f"mkdir -p {REMOTE} && mount -t tmpfs -o size=2m,uid=$(id -u dev) none {REMOTE}")
    try:
        (user.project / "blob").write_bytes(os.urandom(1000))
        user.devbox("sync")
        before = user.host.sh(f"md5sum < {REMOTE}/p/blob")
        (user.project / "blob").write_bytes(os.urandom(5_000_000))
        (user.project / "small").write_text("others go on")
        out, _err = user.devbox("sync", code=4)
        assert "problem: blob: " in out
        assert user.host.sh(f"md5sum < {REMOTE}/p/blob") == before
        assert user.host.sh(f"cat {REMOTE}/p/small") == "others go on"
        (user.project / "blob").write_bytes(os.urandom(1000))
        user.devbox("sync")
        assert user.leftovers() == "root"
        user.host.sh(f"mount -o remount,ro {REMOTE}")
        (user.project / "small").write_text("read-only now")
        out, err = user.devbox("sync", code=1)
        assert "ead-only" in err, (out, err)
    finally:
        user.host.sh(f"umount {REMOTE}")


def test_hooks_follow_a_save_once_it_is_there(user: User) -> None:
    file = user.project / "devbox.yaml"
    hooks = "    hooks:\n      - {paths: '*.py', run: 'cat \"$@\" >> ../seen'}\n"
    hooks += "      - {paths: bad.txt, run: [ls, /nowhere]}\n"
    file.write_text(f"name: p\nhost: far\nsync:\n  - local: .\n    remote: {REMOTE}/p\n{hooks}")
    fill(user.project)
    user.devbox("sync")
    watching = Watch(user, user.start("--json", "sync", "--watch"))
    watching.until("sync.ready")
    (user.project / "app.py").write_text("first\n")
    assert watching.until("sync.hook")["data"]["paths"] == ["app.py"]
    assert user.host.sh(f"cat {REMOTE}/seen") == "first\n"
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
    shown, end = "", time.monotonic() + LIMIT
    saved = False
    while not re.search(r"\x1b\[Kin step; [^\x1b]*sent, last app.py; RTT", shown):
        assert time.monotonic() < end, shown
        shown += os.read(here, 65536).decode()
        if "in step" in shown and not saved:
            (user.project / "app.py").write_text("saved")
            saved = True
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 130
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
