"""A developer's desk at a rehearsal host, and that host put back by hand afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.rehearsal import hosts

REPOSITORY = Path(__file__).resolve().parents[2]
_SNAPSHOT = (
    "find /etc /lib/systemd /var/lib/devbox -xdev -type f ! -name '*-' ! -path '*/ld.so*' "
    "! -path /var/lib/devbox/last -exec sha256sum {} + 2>/dev/null | sort -k2; "
    "find /etc/docker /etc/systemd -type d | sort"
)


@dataclass(frozen=True)
class Desk:
    """A developer's desk: a project folder, folders for keys and contexts, an ssh config of its own."""

    folder: Path
    host: hosts.RehearsalHost
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "DOCKER_CONFIG": str(self.folder / "docker"),
            "DEVBOX_SSH_CONFIG": str(self.folder / "ssh_config"),
            **self.more,
        }

    @property
    def project(self) -> Path:
        return self.folder / "shop"

    @property
    def keys(self) -> Path:
        return self.folder / "config" / "devbox" / "hosts" / self.host.name

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The real CLI, still running."""
        return subprocess.Popen(
            [sys.executable, "-m", "devbox", *words],
            env=self.environment,
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def devbox(self, *words: str, code: int = 0) -> str:
        """The real CLI to its end; what it said on both streams."""
        running = self.start(*words)
        out, err = running.communicate(timeout=240)
        assert running.returncode == code, f"devbox {' '.join(words)}: {running.returncode}\n{out}\n{err}"
        return out + err

    def init(self, *words: str, code: int = 0) -> str:
        return self.devbox("init", self.host.name, "--yes", *words, code=code)

    def docker(self, *words: str) -> str:
        """The real Docker CLI with the context that devbox wrote."""
        argv = ["docker", "--context", f"devbox-{self.host.name}", *words]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def main_pid(self) -> str:
        return self.host.sh("systemctl show -p MainPID --value docker.service").strip()

    def process(self) -> str:
        """dockerd's command line, and whether it answers at its socket: a restart changes neither."""
        command = "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value docker.service)/cmdline"
        asked = "docker -H unix:///var/run/docker.sock version -f ok"
        return self.host.sh(f"systemctl is-active docker.socket; {command}; {asked}", check=False)

    def units(self) -> list[str]:
        """Of docker.service and docker.socket: whether they run, and whether they are started at boot."""
        both = "docker.service docker.socket"
        return self.host.sh(f"systemctl is-active {both}; systemctl is-enabled {both}", check=False).split()

    def reset_to(self, before: str) -> str:
        """`devbox host reset`, and every file is as it was in that snapshot; what it said."""
        said = self.devbox("host", "reset", "--yes")
        assert self.snapshot() == before
        return said

    def snapshot(self) -> str:
        """Every file that devbox could have touched, by its sum."""
        return self.host.sh(_SNAPSHOT, check=False)


def sit_down(folder: Path, host: hosts.RehearsalHost) -> Desk:
    """A desk in that folder, at that host."""
    desk = Desk(folder, host)
    desk.project.mkdir()
    (folder / "ssh_config").write_text(ssh_config(host, folder))
    return desk


def ssh_config(host: hosts.RehearsalHost, folder: Path) -> str:
    """An ssh_config with this host only: others come and go while we look."""
    known = folder / "known_hosts"
    keys = host.sh("cat /etc/ssh/ssh_host_*_key.pub").splitlines()
    known.write_text("".join(f"{host.address} {' '.join(key.split()[:2])}\n" for key in keys))
    settings = {
        "HostName": host.address,
        "User": "dev",
        "IdentityFile": hosts.key_file(),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
    }
    return f"Host {host.name}\n" + "".join(f"  {key} {value}\n" for key, value in settings.items())


def clean(host: hosts.RehearsalHost, *, restart: bool = True) -> None:
    """Take away by hand whatever a test left, without any of devbox's own code.

    `restart`: also dockerd's process, which may be another one than its unit file says by now.
    """
    # A dockerd with -H unix:// takes the socket unit's path away with it.
    anew = "systemctl stop docker.service docker.socket; systemctl start docker.socket docker.service"
    host.sh(
        "systemctl disable -q --now devbox-rollback.timer 2>/dev/null;"
        "systemctl stop devbox-firewall.service 2>/dev/null; iptables -P INPUT ACCEPT; iptables -F INPUT;"
        "rm -rf /etc/docker/devbox /etc/docker/daemon.json /etc/systemd/system/docker.service.d"
        " /etc/systemd/system/devbox-firewall.service"
        " /etc/systemd/system/devbox-rollback.* /var/lib/devbox /home/dev/devbox;"
        f"systemctl daemon-reload; systemctl reset-failed docker.service; {anew if restart else ':'}",
        check=False,
    )
