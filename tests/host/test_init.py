"""`devbox init` and `devbox host` for real: the CLI, SSH, systemd and dockerd."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.host.desk import Desk
from tests.rehearsal import hosts

pytestmark = pytest.mark.host
_DOOR = ("with our certificate", "without a certificate", "with a foreign certificate", "in plain HTTP")


def test_first_and_second_init_and_reset(desk: Desk) -> None:
    before = desk.snapshot()
    said = desk.init()
    for check in _DOOR:
        assert f"ok  {check}" in said
    assert desk.docker("version", "--format", "{{.Server.Version}}").startswith("20.10")
    assert "remote: ~/devbox/shop" in (desk.project / "devbox.yaml").read_text()
    owners = desk.host.sh("cd /home/dev/devbox; stat -c %U shop .devbox-staging.shop")
    assert owners == "dev\ndev\n"

    pid, files = desk.main_pid(), desk.snapshot()
    again = desk.devbox("init")
    assert "nothing to do" in again
    assert desk.main_pid() == pid
    assert desk.snapshot() == files

    desk.reset_to(before)
    assert not desk.keys.exists()
    assert not list(desk.folder.glob("docker/contexts/meta/*"))
    assert "nothing of devbox" in desk.devbox("host", "reset", "--yes")


def test_keys_are_for_their_owner_only_and_the_authoritys_never_travels(desk: Desk) -> None:
    desk.init()
    for path in desk.keys.glob("*.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.keys.stat().st_mode) == 0o700
    assert desk.host.sh("stat -c '%a %U' /etc/docker/devbox/key.pem") == "600 root\n"
    secret = (desk.keys / "ca-key.pem").read_text().splitlines()[1]
    assert secret not in desk.host.sh("cat /etc/docker/devbox/*")


def test_plan_shows_and_changes_nothing(desk: Desk) -> None:
    """Not even a daemon that sleeps behind its socket is started."""
    desk.host.sh("systemctl stop docker.service")
    before, pid = desk.snapshot(), desk.main_pid()
    said = desk.devbox("init", desk.host.name, "--plan")
    assert "+ExecStart=/usr/sbin/dockerd -H fd://" in said
    assert "systemctl restart docker.service" in said
    data = json.loads(desk.devbox("init", desk.host.name, "--plan", "--json"))
    key = next(one for one in data["plan"]["changes"] if one["path"].endswith("/key.pem"))
    assert key["secret"]
    assert key["new"] is None
    assert "PRIVATE" not in json.dumps(data)
    assert (desk.snapshot(), desk.main_pid(), pid) == (before, "0", "0")
    assert not desk.keys.exists()
    assert not (desk.project / "devbox.yaml").exists()


def test_yes_is_no_answer_to_an_unknown_host_key(desk: Desk) -> None:
    config = desk.folder / "ssh_config"
    known = desk.folder / "empty"
    lines = [
        f"  UserKnownHostsFile {known}" if "UserKnownHostsFile" in line else line
        for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines) + "\n")
    said = desk.init(code=1)
    assert "key is not known yet" in said
    listed = desk.host.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert listed in said
    assert "not known" in desk.init("--accept-host-key", "SHA256:another", code=1)
    desk.init("--accept-host-key", listed)
    assert known.exists()
    desk.init()


def test_nothing_is_assumed_without_a_yes(desk: Desk) -> None:
    before = desk.snapshot()
    said = desk.devbox("init", desk.host.name, code=1)
    assert "next: devbox init" in said
    assert desk.snapshot() == before


def test_reset_does_not_touch_what_was_changed_since(desk: Desk) -> None:
    desk.init()
    drop_in = "/etc/systemd/system/docker.service.d/50-devbox.conf"
    desk.host.sh(f"echo '# mine' >>{drop_in}")
    before, pid = desk.snapshot(), desk.main_pid()
    said = desk.devbox("host", "reset", "--yes", code=1)
    assert f"{drop_in} was changed after devbox wrote it" in said
    assert (desk.snapshot(), desk.main_pid()) == (before, pid)


def test_running_containers_run_afterwards(desk: Desk) -> None:
    image = desk.host.sh("docker image ls -q | head -1").strip()
    before = desk.snapshot()
    desk.host.sh(f"docker run -d --stop-timeout 1 --name keeper {image} sleep 600")
    try:
        said = desk.init()
        assert "keeper" in said
        assert desk.docker("ps", "--format", "{{.Names}}").split() == ["keeper"]
        desk.reset_to(before)
        assert desk.host.sh("docker ps --format '{{.Names}}'") == "keeper\n"
    finally:
        desk.host.sh("docker rm -f keeper")


def test_status_env_renew_grant_revoke(desk: Desk) -> None:
    before = desk.snapshot()
    desk.init()
    status = json.loads(desk.devbox("host", "status", "--json"))
    assert status["answers"] is True
    assert status["server days left"] > 700
    elsewhere = ("-C", str(desk.folder), "host", "status", "--host", desk.host.name, "--json")
    assert json.loads(desk.devbox(*elsewhere)) == status
    lines = desk.devbox("host", "env")
    shell = f"{lines}\ndocker version --format '{{{{.Server.Version}}}}'"
    done = subprocess.run(["sh", "-c", shell], env=desk.environment, capture_output=True, text=True)
    assert done.stdout.startswith("20.10"), done.stderr

    desk.devbox("host", "grant", "alice")
    alice = desk.folder / "alice"
    alice.mkdir()
    subprocess.run(["tar", "xf", desk.project / "alice.tar", "-C", alice], check=True)
    assert _curl(desk, alice) == 0
    desk.devbox("host", "renew", "--yes")
    assert _curl(desk, alice) == 0
    assert "worthless" in desk.devbox("host", "revoke", "alice", "--yes")
    (alice / "ca.pem").write_bytes((desk.keys / "ca.pem").read_bytes())
    assert _curl(desk, alice) != 0
    assert _curl(desk, desk.keys) == 0
    desk.reset_to(before)


def _curl(desk: Desk, folder: object) -> int:
    url = f"https://{desk.host.address}:2376/version"
    files = ["--cacert", f"{folder}/ca.pem", "--cert", f"{folder}/cert.pem", "--key", f"{folder}/key.pem"]
    return subprocess.run(["curl", "-sf", "--noproxy", "*", *files, url], capture_output=True).returncode


def test_missing_docker_is_said(
    rehearsal_factory: Callable[[hosts.Wish], hosts.RehearsalHost],
    desk_at: Callable[[hosts.RehearsalHost], Desk],
) -> None:
    desk = desk_at(rehearsal_factory(hosts.Wish("dockerless", docker=False)))
    said = desk.init(code=1)
    assert "Docker is not installed on the host" in said
    assert f"next: devbox init {desk.host.name} --install" in said
