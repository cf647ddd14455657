"""Being root on the host: with a password, not at all, and through another host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.host.desk import Desk
from tests.host.typist import type_at
from tests.rehearsal.hosts import RehearsalHost, key_file
from tests.rehearsal.keys import PASSWORD

pytestmark = pytest.mark.host

_PUT_BACK = (
    "cp -p /root/kept-shadow /etc/shadow; cp -p /root/kept-sudo /etc/sudoers.d/dev; rm -f /root/kept-*"
)


@contextmanager
def sudo(desk: Desk, rule: str) -> Iterator[None]:
    """What sudo lets `dev` do meanwhile, on the host that tests share."""
    desk.host.sh("cp -p /etc/shadow /root/kept-shadow; cp -p /etc/sudoers.d/dev /root/kept-sudo")
    desk.host.sh(f"echo 'dev:{PASSWORD}' | chpasswd; echo '{rule}' >/etc/sudoers.d/dev")
    try:
        yield
    finally:
        desk.host.sh(_PUT_BACK)


def test_sudos_password_is_asked_for_at_the_terminal_and_typed_once(desk: Desk) -> None:
    before = desk.snapshot()
    with sudo(desk, "dev ALL=(ALL) ALL"):
        said = desk.init(code=1)
        assert "dev cannot be root on the host" in said
        assert "sudo: a password is required" in said
        assert "next: run the same command at a terminal" in said
        answers = [("sudo password of dev@", "wrong"), ("sudo password of dev@", PASSWORD), ("[y/N]", "y")]
        code, shown = type_at(["init", desk.host.name], desk.project, desk.environment, answers)
        assert code == 0, shown
        assert "prepared and proved" in shown
        assert PASSWORD not in shown
        assert shown.count("sudo password") == 2
        answers = [("sudo password", PASSWORD)]
        code, shown = type_at(["init"], desk.project, desk.environment, answers)
        assert (code, "nothing to do" in shown) == (0, True), shown
        code, shown = type_at(["host", "reset", "--yes"], desk.project, desk.environment, answers)
        assert (code, PASSWORD not in shown) == (0, True), shown
        assert PASSWORD not in desk.host.sh("journalctl --no-pager")
        assert _without_sudo(desk.snapshot()) == _without_sudo(before)


def test_without_any_privilege_a_script_for_somebody_who_is_root(desk: Desk) -> None:
    script = desk.project / "prepare.sh"
    before = desk.snapshot()
    with sudo(desk, ""):
        assert "--script FILE" in desk.init(code=1)
        said = desk.devbox("init", desk.host.name, "--script", str(script))
        assert "give it to somebody who is root" in said
        assert script.stat().st_mode & 0o777 == 0o600
        again = desk.devbox("init", desk.host.name, "--script", str(script), code=1)
        assert "cannot be written" in again
        assert "cannot be root" in desk.init(code=1), "nobody has run it yet"

        text = script.read_bytes()
        assert "run this as root" in _as_dev(desk, text)
        ran = desk.host.shell("sh", "-s", stdin=text)
        assert "unit files checked by systemd" in ran
        assert "Done. Now, where this script was made: devbox init" in ran
        assert "ok  without a certificate" in desk.init()
        assert "nothing to do" in desk.init()
        assert desk.docker("version", "--format", "{{.Server.Version}}")
    assert "nothing to do" in desk.init(), "with root it is what root would have made"
    desk.devbox("host", "reset", "--yes")
    assert desk.host.sh("ls -d /run/devbox.?????????? 2>/dev/null; true") == ""
    assert _without_sudo(desk.snapshot()) == _without_sudo(before)


def _as_dev(desk: Desk, text: bytes) -> str:
    words = ["su", "dev", "-c", "sh -s 2>&1; true"]
    return desk.host.shell(*words, stdin=text)


def _without_sudo(snapshot: str) -> list[str]:
    return [line for line in snapshot.splitlines() if "/etc/shadow" not in line and "/sudoers" not in line]


def test_through_another_host(desk: Desk, rehearsal_host: RehearsalHost) -> None:
    """The target is named as the jump host sees it, and its daemon is reached through the same way."""
    far, before = desk.host.inner, desk.snapshot()
    keys = desk.host.sh("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    near_keys = rehearsal_host.sh("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    known = desk.folder / "known_both"
    pairs = [(far, keys), (rehearsal_host.address, near_keys)]
    known.write_text(
        "".join(f"{name} {' '.join(key.split()[:2])}\n" for name, listed in pairs for key in listed)
    )
    both = f"  User dev\n  IdentityFile {key_file()}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n"
    (desk.folder / "ssh_config").write_text(
        f"Host near\n  HostName {rehearsal_host.address}\n{both}"
        f"Host far\n  HostName {far}\n  ProxyJump near\n{both}"
    )
    (desk.project / "devbox.yaml").write_text("name: shop\nhost: far\ndocker: {endpoint: tls-tunnel}\n")
    said = desk.devbox("init", "--yes")
    assert "ok  with our certificate" in said
    assert desk.host.sh("ss -Hltn sport = :2376").split()[3] == "127.0.0.1:2376"
    assert "nothing to do" in desk.devbox("init")
    assert "through near" in desk.devbox("doctor")
    refused = subprocess.run(["curl", "-s", f"http://{far}:2376/version"], capture_output=True)
    assert refused.returncode == 7
    desk.reset_to(before)
