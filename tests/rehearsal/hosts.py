"""Hosts: started, found again, logged into, removed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.rehearsal import images
from tests.rehearsal.daemon import client, docker, start
from tests.rehearsal.keys import belongings, key_file
from tests.rehearsal.places import LABEL, NETWORK, SUBNET, BenchError, as_root, cache, call, lock

PORTS = (22, 80, 2375, 2376, 8000)
_FIRST, _LAST = 11, 250
# What lets systemd, dockerd and containers in it work without --privileged, which some machines refuse.
MACHINE = """
--cap-add ALL --cap-drop SYS_RESOURCE --cap-drop SYS_TIME
--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined
--cgroupns host -v /sys/fs/cgroup:/sys/fs/cgroup:rw --stop-signal SIGRTMIN+3
--tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec
-e container=docker -e SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
"""


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


def shared_name(room: str = "") -> str:
    """The name of the host that a run shares, or that one of its rooms does.

    DEVBOX_REHEARSAL_HOST names it (`test` if unset), so that two runs on one machine need not share;
    nor do the workers of one run.
    """
    parts = (os.environ.get("DEVBOX_REHEARSAL_HOST", "test"), os.environ.get("PYTEST_XDIST_WORKER"), room)
    return "-".join(part for part in parts if part)


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
    """A ready host of that name; one that runs already is left as it is, and must be of the kind wanted."""
    start()
    with lock(f"host-{wish.name}"):
        existing = find(wish.name)
        if existing is None:
            return _make(wish)
        kind = docker("inspect", "-f", f'{{{{index .Config.Labels "{LABEL}.kind"}}}}', existing.container)
        if kind.stdout.strip() not in ("", _kind(wish)):
            found = f"{wish.name} is up as another kind of host ({kind.stdout.strip()})"
            raise BenchError(f"{found}: scripts/rehearsal down {wish.name}")
        return existing


def _kind(wish: Wish) -> str:
    return f"{wish.release}, docker {'yes' if wish.docker else 'no'}, sudo {wish.sudo}"


def _make(wish: Wish) -> RehearsalHost:
    image = images.ensure(images.host_recipe(wish.release))
    with lock("hosts"):
        host = _create(wish, image)
    try:
        docker("cp", "-", f"{host.container}:/", stdin=belongings(wish.sudo))
        docker("start", host.container)
        _await(wish, host)
        _finish(wish, host)
    except BaseException:  # a half-made host must not be found as a ready one
        docker("rm", "-f", "-v", host.container, check=False)
        raise
    return host


def _finish(wish: Wish, host: RehearsalHost) -> None:
    if not wish.docker:
        host.sh("systemctl disable --now docker.socket docker containerd")
        host.sh(
            "dpkg --purge --force-all docker.io containerd runc $(dpkg-query -W -f '${Package}\n' docker-cli)"
        )
    elif wish.python_image:
        load(host)


def _create(wish: Wish, image: str) -> RehearsalHost:
    container = f"{LABEL}-{wish.name}"
    docker("rm", "-f", "-v", container, check=False)
    if docker("network", "inspect", NETWORK, check=False).returncode:
        docker("network", "create", "--subnet", f"{SUBNET}.0/24", NETWORK)
    number = _free_number()
    host = RehearsalHost(wish.name, f"127.0.10.{number}", f"{SUBNET}.{number}", wish.release)
    words = ["create", "--name", container, "--hostname", wish.name, *MACHINE.split()]
    words += ["--device-cgroup-rule", "a *:* rwm", "--network", NETWORK, "--ip", host.inner]
    for key, value in (
        ("", wish.name),
        (".number", str(number)),
        (".release", wish.release),
        (".kind", _kind(wish)),
    ):
        words += ["--label", f"{LABEL}{key}={value}"]
    for port in PORTS:
        words += ["-p", f"{host.address}:{port}:{port}"]
    # Volumes without a name: gone with the container.
    words += ["-v", "/var/lib/docker", "-v", "/var/lib/containerd"]
    # Docker's own resolver is on loopback, where the containers of the inner daemon could not reach it.
    words += ["-v", f"{_resolv_conf()}:/etc/resolv.conf:ro", image]
    docker(*words)
    return host


def _resolv_conf() -> Path:
    """The file that names the machine's real resolvers, also where a stub on loopback hides them."""
    behind_stub = Path("/run/systemd/resolve/resolv.conf")
    return behind_stub if behind_stub.exists() else Path("/etc/resolv.conf").resolve()


def _free_number() -> int:
    ids = docker("ps", "-aq", "--filter", f"label={LABEL}").stdout.split()
    template = f'{{{{index .Config.Labels "{LABEL}.number"}}}}'
    taken = set(docker("inspect", "-f", template, *ids).stdout.split()) if ids else set()
    for number in range(_FIRST, _LAST):
        if str(number) not in taken:
            return number
    raise BenchError("too many rehearsal hosts: scripts/rehearsal down")


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


def reboot(host: RehearsalHost) -> None:
    """Off and on again: processes, /run and /tmp are gone, disks stay."""
    docker("restart", "-t", "20", host.container)
    _await(Wish(host.name, host.release), host)


def load(host: RehearsalHost, recipe: images.Recipe | None = None) -> None:
    """Put an image (the python stand-in unless another is named) into the host's own daemon."""
    image = images.ensure(recipe or images.python_recipe())
    wanted = docker("image", "inspect", "-f", "{{.Id}}", image).stdout
    if host.shell("docker", "image", "inspect", "-f", "{{.Id}}", image, check=False) == wanted:
        return
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
        inner = docker("exec", container, "docker", "ps", "-aq", "--no-trunc", check=False).stdout.split()
        docker("rm", "-f", "-v", container)
        _remove_groups(inner)
    if not name:
        docker("network", "rm", NETWORK, check=False)
    return names


def _remove_groups(inner: list[str]) -> None:
    """Remove the control groups of the inner daemon's containers: they are in the machine's own hierarchy."""
    groups = [group for one in inner for group in Path("/sys/fs/cgroup").glob(f"*/docker/{one}")]
    if groups:
        call(as_root(["rmdir", *map(str, groups)]), check=False)
