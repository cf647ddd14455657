"""`devbox build` beside the Docker CLI: first, unchanged, one file changed; time and bytes, per round trip.

Whole commands, each from its start to its end, on one daemon. Over SSH it is what a user types; over TCP all
talk to the same forwarded port, so that builders are compared and not the ways there. The CLI builds with
its classic builder and with buildx (Debian's where there is none).
`scripts/bench build [--files 10000] [--rtt 0 50] [--repeat 3]`
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from devbox import wiring
from devbox.adapters.docker.daemon import DockerDaemon
from devbox.config.load import parse
from devbox.image.build import build, plan
from devbox.image.unchanged import Memory, fingerprint, known
from devbox.ports.events import ignore
from devbox.ports.host import Socket
from tests.rehearsal import hosts, images
from tests.rehearsal.daemon import docker
from tests.rehearsal.hosts import RehearsalHost
from tests.rehearsal.proxy import Proxy

IMAGE = images.PYTHON_IMAGE
CASES = ("first", "unchanged", "one file changed")


@dataclass(frozen=True)
class Ground:
    """Where all of it happens: a host, its daemon behind a port of ours, a folder for trees and settings."""

    host: RehearsalHost
    forwarded: int
    folder: Path

    def ssh_config(self, port: int) -> Path:
        """The host under its own name, through the proxy at `port`."""
        near = f"HostName 127.0.0.1\n  Port {port}\n  HostKeyAlias {self.host.address}"
        path = self.folder / "near_ssh_config"
        path.write_text(hosts.ssh_config().replace(f"HostName {self.host.address}\n", f"{near}\n"))
        return path

    def clear(self) -> None:
        """Nobody finds what another left in the host's cache."""
        self.host.sh("docker image prune -f; docker builder prune -af")


@dataclass(frozen=True)
class Peer:
    """A command that builds the tree `root` through the proxy at `port`."""

    name: str
    over_ssh: bool
    words: Callable[[Path, int], list[str]]
    environment: Callable[[int], dict[str, str]]


def plant(root: Path, count: int) -> None:
    """A project of small files in folders of a hundred, 5.5 kB each, that cannot be compressed away."""
    root.mkdir()
    (root / "Dockerfile").write_text(f"FROM {IMAGE}\nWORKDIR /app\nCOPY . .\n")
    for number in range(count):
        folder = root / f"package{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"module{number}.py").write_bytes(secrets.token_bytes(5500))


def ours(root: Path, port: int) -> None:
    """What `devbox build` does with a daemon, at a port without SSH."""
    memory = Memory(root.with_suffix(".json"))
    config = replace(parse("name: bench-tcp\nbuild: {dockerfile: Dockerfile}"), root=str(root))
    with DockerDaemon(lambda: socket.create_connection(("127.0.0.1", port)), "bench") as daemon:
        wanted = plan(config, "bench")
        mark = fingerprint(daemon, wanted)
        if known(daemon, memory, wanted.request.tag, mark) is None:
            memory.keep(wanted.request.tag, mark, build(daemon, wanted, ignore).image)


def peers(at: Ground, buildx: bool) -> list[Peer]:
    python = [sys.executable, "-m"]

    def devbox(root: Path, _: int) -> list[str]:
        config = root.with_suffix(".yaml")
        project = f"build: {{context: {root.name}, dockerfile: {root.name}/Dockerfile}}\n"
        config.write_text(f"name: bench-ssh\nhost: {at.host.name}\ndocker: {{endpoint: ssh}}\n{project}")
        return [*python, "devbox", "--config", str(config), "build", "-q"]

    def cli(where: str) -> Callable[[Path, int], list[str]]:
        return lambda root, port: [
            "docker",
            "-H",
            where.format(port),
            "build",
            "-q",
            "-t",
            "bench",
            str(root),
        ]

    def near(port: int) -> dict[str, str]:
        """An ssh that knows our config, for the CLI as for us."""
        tools = at.folder / "tools"
        tools.mkdir(exist_ok=True)
        ssh = shutil.which("ssh")
        (tools / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {at.ssh_config(port)} "$@"\n')
        (tools / "ssh").chmod(0o755)
        state = str(at.folder / "state")
        path = f"{tools}:{os.environ['PATH']}"
        return {"DEVBOX_SSH_CONFIG": str(at.ssh_config(port)), "XDG_STATE_HOME": state, "PATH": path}

    tcp, ssh = "tcp://127.0.0.1:{}", f"ssh://{at.host.name}"
    found = [
        Peer("devbox build (ssh)", True, devbox, near),
        Peer("devbox's builder (tcp)", False, lambda r, p: [*python, __spec__.name, "--ours", str(r), str(p)],
             lambda _: {}),
        Peer("docker, classic (tcp)", False, cli(tcp), lambda _: {"DOCKER_BUILDKIT": "0"}),
    ]  # fmt: skip
    if buildx:
        found += [
            Peer("docker, buildx (tcp)", False, cli(tcp), lambda _: {"DOCKER_BUILDKIT": "1"}),
            Peer("docker, buildx (ssh)", True, cli(ssh), lambda p: {**near(p), "DOCKER_BUILDKIT": "1"}),
        ]
    return found


def like_a_users(folder: Path) -> dict[str, str]:
    """The environment of whoever has run devbox before: Python keeps what it compiled."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def has_buildx(folder: Path) -> bool:
    """Where the CLI has no buildx: Debian's, out of a package's image, for this process and its children."""
    if subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0:
        return True
    plugins = folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    made = docker("create", images.ensure(images.tools_recipe()), "true").stdout.strip()
    docker("cp", f"{made}:/usr/libexec/docker/cli-plugins/docker-buildx", str(plugins))
    docker("rm", made)
    os.environ["DOCKER_CONFIG"] = str(folder / "docker")
    return subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0


def trial(at: Ground, peer: Peer, files: int, delay: float) -> list[tuple[float, int]]:
    """Seconds, and bytes over the link both ways, of each case on a tree of its own."""
    root = at.folder / secrets.token_hex(4)
    plant(root, files)
    found = []
    target = (at.host.address, 22) if peer.over_ssh else ("127.0.0.1", at.forwarded)
    with Proxy(target, delay) as proxy:
        environment = {**like_a_users(at.folder), **peer.environment(proxy.port)}
        for case in CASES:
            if case == CASES[2]:
                (root / "package0/module0.py").write_bytes(secrets.token_bytes(5600))
            words = peer.words(root, proxy.port)
            before, begun = sum(proxy.carried.values()), time.monotonic()
            subprocess.run(words, check=True, capture_output=True, env=environment)
            found.append((time.monotonic() - begun, sum(proxy.carried.values()) - before))
        time.sleep(delay * 4)  # what is still held back arrives
    shutil.rmtree(root)
    at.clear()
    return found


def table(at: Ground, asked: argparse.Namespace, buildx: bool) -> None:
    print(f"{asked.files} files, {asked.files * 5500 / 1e6:.0f} MB; medians of {asked.repeat}\n")
    print(f"{'RTT':>6}  {'builder':<24} {'case':<18} {'time':>8} {'on the link':>12}")
    for rtt in asked.rtt:
        wanted = peers(at, buildx)
        for one in wanted:
            trial(at, one, 10, 0.0)  # whatever is slow only once
        runs = [[trial(at, one, asked.files, rtt / 2000) for one in wanted] for _ in range(asked.repeat)]
        for number, peer in enumerate(wanted):
            for case, name in enumerate(CASES):
                found = [run[number][case] for run in runs]
                seconds, count = (median(values) for values in zip(*found, strict=True))
                print(
                    f"{rtt:>4.0f}ms  {peer.name:<24} {name:<18} {seconds:>7.2f}s {count / 1e6:>9.2f} MB",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rtt", type=float, nargs="*", default=[0.0, 50.0], help="milliseconds")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ours", nargs=2, metavar=("ROOT", "PORT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.ours:
        ours(Path(asked.ours[0]), int(asked.ours[1]))
        return
    host = hosts.up(hosts.Wish(hosts.shared_name()))
    host.shell("usermod", "-aG", "docker", "dev")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devbox-bench-")))
        (folder / "ssh_config").write_text(hosts.ssh_config())
        os.environ["DEVBOX_SSH_CONFIG"] = str(folder / "ssh_config")
        link = stack.enter_context(wiring.open_host(host.name))
        forward = stack.enter_context(link.forward(Socket(path="/var/run/docker.sock")))
        table(Ground(host, forward.local[1], folder), asked, has_buildx(folder))


if __name__ == "__main__":
    main()
