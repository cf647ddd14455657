"""Hosts: started, found again, logged into, removed."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.rehearsal import images
from tests.rehearsal.daemon import client, docker, start
from tests.rehearsal.places import LABEL, NETWORK, SUBNET, BenchError, cache, call, lock

PORTS = (22, 80, 2375, 2376, 8000)
_FIRST, _LAST = 11, 250
# What lets systemd, dockerd and containers in it work without --privileged, which some machines refuse.
_MACHINE = """
--cap-add ALL --cap-drop SYS_RESOURCE --cap-drop SYS_TIME
--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined
--cgroupns host -v /sys/fs/cgroup:/sys/fs/cgroup:rw --stop-signal SIGRTMIN+3
--tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec
-e container=docker -e SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
"""
_SUDO = {"nopasswd": "dev ALL=(ALL) NOPASSWD:ALL\n", "password": "dev ALL=(ALL) ALL\n", "none": ""}
PASSWORD = "rehearsal"


@dataclass(frozen=True)
class Wish:
    """What kind of host is wanted."""

    name: str
    release: str = "bookworm"
    docker: bool = True
    sudo: str = "nopasswd"
    python_image: bool = True


@dataclass(frozen=True)
class RehearsalHost:
    """A running host: a loopback address with standard ports, and its own address on the bench's network."""

    name: str
    address: str
    inner: str
    release: str

    @property
    def container(self) -> str:
        return f"{LABEL}-{self.name}"

    def shell(self, *words: str, check: bool = True, stdin: bytes | None = None) -> str:
        """Run a command as root in it, not through SSH; its standard output."""
        interactive = ["-i"] if stdin is not None else []
        return docker("exec", *interactive, self.container, *words, stdin=stdin, check=check).stdout

    def sh(self, script: str, check: bool = True) -> str:
        """Run a line of shell as root in it."""
        return self.shell("sh", "-c", script, check=check)


def key_file() -> Path:
    """The private key that `dev` and `root` of every host accept."""
    path = cache() / "id_ed25519"
    with lock("key"):
        if not path.exists():
            call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "devbox rehearsal", "-f", str(path)])
    return path


def running() -> list[RehearsalHost]:
    """All hosts that run now."""
    ids = docker("ps", "-q", "--filter", f"label={LABEL}", check=False).stdout.split()
    if not ids:
        return []
    found = []
    for details in json.loads(docker("inspect", *ids).stdout):
        labels = details["Config"]["Labels"]
        number = labels[f"{LABEL}.number"]
        found.append(
            RehearsalHost(
                labels[LABEL], f"127.0.10.{number}", f"{SUBNET}.{number}", labels[f"{LABEL}.release"]
            )
        )
    return sorted(found, key=lambda host: host.name)


def find(name: str) -> RehearsalHost | None:
    """The running host of that name."""
    return next((host for host in running() if host.name == name), None)


def up(wish: Wish) -> RehearsalHost:
    """A ready host of that name; one that runs already is left as it is."""
    start()
    existing = find(wish.name)
    if existing is not None:
        return existing
    image = images.ensure(images.host_recipe(wish.release))
    with lock("hosts"):
        host = _create(wish, image)
    _furnish(wish, host)
    docker("start", host.container)
    _await(wish, host)
    if not wish.docker:
        host.sh("systemctl disable --now docker.socket docker containerd")
        host.sh("dpkg --purge --force-all docker.io containerd")
    elif wish.python_image:
        load(host)
    return host


def _create(wish: Wish, image: str) -> RehearsalHost:
    container = f"{LABEL}-{wish.name}"
    docker("rm", "-f", "-v", container, check=False)
    if docker("network", "inspect", NETWORK, check=False).returncode:
        docker("network", "create", "--subnet", f"{SUBNET}.0/24", NETWORK)
    number = _free_number()
    host = RehearsalHost(wish.name, f"127.0.10.{number}", f"{SUBNET}.{number}", wish.release)
    words = ["create", "--name", container, "--hostname", wish.name, *_MACHINE.split()]
    words += ["--device-cgroup-rule", "a *:* rwm", "--network", NETWORK, "--ip", host.inner]
    for key, value in (("", wish.name), (".number", str(number)), (".release", wish.release)):
        words += ["--label", f"{LABEL}{key}={value}"]
    for port in PORTS:
        words += ["-p", f"{host.address}:{port}:{port}"]
    # Volumes without a name: gone with the container.
    words += ["-v", "/var/lib/docker", "-v", "/var/lib/containerd", image]
    docker(*words)
    return host


def _free_number() -> int:
    ids = docker("ps", "-aq", "--filter", f"label={LABEL}").stdout.split()
    template = f'{{{{index .Config.Labels "{LABEL}.number"}}}}'
    taken = set(docker("inspect", "-f", template, *ids).stdout.split()) if ids else set()
    for number in range(_FIRST, _LAST):
        if str(number) not in taken:
            return number
    raise BenchError("too many rehearsal hosts: scripts/rehearsal down")


def _furnish(wish: Wish, host: RehearsalHost) -> None:
    """Put keys and sudo rules in before the first start, so that nothing has to wait for them."""
    public = key_file().with_suffix(".pub").read_bytes()
    shadow = f"dev:{PASSWORD}"
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            _add(tar, "root/.ssh", None, 0o700, 0)
            _add(tar, "root/.ssh/authorized_keys", public, 0o600, 0)
            _add(tar, "home/dev/.ssh", None, 0o700, 1000)
            _add(tar, "home/dev/.ssh/authorized_keys", public, 0o600, 1000)
            _add(tar, "etc/sudoers.d/dev", _SUDO[wish.sudo].encode(), 0o440, 0)
            _add(tar, "etc/rehearsal-password", shadow.encode(), 0o600, 0)
        docker("cp", "-", f"{host.container}:/", stdin=buffer.getvalue())


def _add(tar: tarfile.TarFile, name: str, content: bytes | None, mode: int, owner: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uid, entry.gid, entry.mtime = mode, owner, owner, int(time.time())
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content or b""))


def _await(wish: Wish, host: RehearsalHost) -> None:
    ready = "systemctl is-active -q ssh"
    if wish.docker:
        ready += " && docker version >/dev/null 2>&1"
    for _ in range(600):
        if docker("exec", host.container, "sh", "-c", ready, check=False).returncode == 0 and _greets(host):
            break
        time.sleep(0.1)
    else:
        said = host.sh("systemctl --failed --no-legend; journalctl -n 20 --no-pager", check=False)
        raise BenchError(f"{host.name} does not get ready:\n{said}")
    if wish.sudo == "password":
        host.sh("chpasswd < /etc/rehearsal-password")
    host.sh("rm -f /etc/rehearsal-password")


def _greets(host: RehearsalHost) -> bool:
    try:
        with socket.create_connection((host.address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def load(host: RehearsalHost) -> None:
    """Put the python stand-in into the host's own daemon."""
    image = images.ensure(images.python_recipe())
    with subprocess.Popen([*client(), "save", image], stdout=subprocess.PIPE) as saving:
        done = subprocess.run(
            [*client(), "exec", "-i", host.container, "docker", "load"],
            stdin=saving.stdout,
            capture_output=True,
        )
    if done.returncode:
        raise BenchError(
            f"cannot load {image} into {host.name}: {done.stderr.decode(errors='replace')[-300:]}"
        )


def ssh_config() -> str:
    """An ssh_config with one Host per running host; known_hosts holds their real keys."""
    lines = []
    for host in running():
        known = cache() / f"known_hosts.{host.name}"
        keys = host.sh("cat /etc/ssh/ssh_host_*_key.pub", check=False).splitlines()
        known.write_text("".join(f"{host.address} {' '.join(line.split()[:2])}\n" for line in keys))
        lines += [f"Host {host.name}", f"  HostName {host.address}", "  User dev"]
        lines += [f"  IdentityFile {key_file()}", "  IdentitiesOnly yes", f"  UserKnownHostsFile {known}", ""]
    return "\n".join(lines)


def down(name: str | None) -> list[str]:
    """Remove that host, or all, with their volumes; the names that were removed."""
    label = f"label={LABEL}={name}" if name else f"label={LABEL}"
    listed = docker("ps", "-aq", "--filter", label, check=False).stdout.split()
    names = []
    for container in listed:
        names.append(
            docker("inspect", "-f", f'{{{{index .Config.Labels "{LABEL}"}}}}', container).stdout.strip()
        )
        docker("rm", "-f", "-v", container)
    if not name:
        docker("network", "rm", NETWORK, check=False)
    return names
