"""`devbox build` beside the Docker CLI: first, unchanged, one file changed; time and bytes, per round trip.

Both talk to the same daemon through the same forwarded port. The CLI builds with its
classic builder and with buildx (Debian's where there is none).
`scripts/bench build [--files 10000] [--rtt 0 50]`
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from devbox import wiring
from devbox.adapters.docker.daemon import DockerDaemon
from devbox.config.load import parse
from devbox.image.build import build, plan
from devbox.image.unchanged import Memory, fingerprint, known
from devbox.ports.events import ignore
from devbox.ports.host import Socket
from tests.rehearsal import hosts, images
from tests.rehearsal.daemon import docker
from tests.rehearsal.proxy import Proxy

IMAGE = "devbox-rehearsal/python:3.12-slim"
Builder = Callable[[], None]


def plant(root: Path, count: int) -> None:
    """A project of small files in folders of a hundred, 5.5 kB each, that cannot be compressed away."""
    root.mkdir()
    (root / "Dockerfile").write_text(f"FROM {IMAGE}\nWORKDIR /app\nCOPY . .\n")
    for number in range(count):
        folder = root / f"package{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"module{number}.py").write_bytes(secrets.token_bytes(5500))


def ours(root: Path, port: int) -> Builder:
    memory = Memory(root.with_suffix(".json"))
    config = replace(parse("name: bench-devbox\nbuild: {dockerfile: Dockerfile}"), root=str(root))

    def run() -> None:
        with DockerDaemon(lambda: socket.create_connection(("127.0.0.1", port)), "bench") as daemon:
            wanted = plan(config, "bench")
            mark = fingerprint(daemon, wanted)
            if known(daemon, memory, wanted.request.tag, mark) is None:
                memory.keep(wanted.request.tag, mark, build(daemon, wanted, ignore).image)

    return run


def theirs(root: Path, port: int, buildkit: bool) -> Builder:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1" if buildkit else "0"}

    def run() -> None:
        words = ["docker", "-H", f"tcp://127.0.0.1:{port}", "build", "-q", "-t", "bench-cli", str(root)]
        subprocess.run(words, check=True, capture_output=True, env=environment)

    return run


def buildx(folder: Path) -> None:
    """Where the CLI has no buildx: Debian's, out of a package's image, for this process and its children."""
    if subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0:
        return
    plugins = folder / "docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    made = docker("create", images.ensure(images.tools_recipe()), "true").stdout.strip()
    docker("cp", f"{made}:/usr/libexec/docker/cli-plugins/docker-buildx", str(plugins))
    docker("rm", made)
    os.environ["DOCKER_CONFIG"] = str(folder / "docker")


def measure(builder: Builder, proxy: Proxy) -> tuple[float, int]:
    before = sum(proxy.carried.values())
    begun = time.monotonic()
    builder()
    return time.monotonic() - begun, sum(proxy.carried.values()) - before


def bench(rtt: float, files: int, port: int, folder: Path) -> list[tuple[str, str, float, int]]:
    """Rows of one round-trip time: builder, case, seconds, bytes over the link both ways."""
    rows = []
    peers = {"devbox (session)": ours, "docker CLI (classic)": lambda r, p: theirs(r, p, False)}
    if subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0:
        peers["docker CLI (buildx)"] = lambda r, p: theirs(r, p, True)
    for name, make in peers.items():
        root = folder / secrets.token_hex(4)
        plant(root, files)
        proxy = Proxy(("127.0.0.1", port), rtt / 2000)
        builder = make(root, proxy.address[1])
        for case in ("first", "unchanged", "one file changed"):
            if case.startswith("one"):
                (root / "package0/module0.py").write_bytes(secrets.token_bytes(5600))
            rows.append((name, case, *measure(builder, proxy)))
        time.sleep(rtt / 500)  # what is still held back arrives
        proxy.close()
        shutil.rmtree(root)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rtt", type=float, nargs="*", default=[0.0, 50.0], help="milliseconds")
    asked = parser.parse_args()
    host = hosts.up(hosts.Wish("test"))
    host.shell("usermod", "-aG", "docker", "dev")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devbox-bench-")))
        (folder / "ssh_config").write_text(hosts.ssh_config())
        os.environ["DEVBOX_SSH_CONFIG"] = str(folder / "ssh_config")
        buildx(folder)
        link = stack.enter_context(wiring.open_host(host.name))
        forward = stack.enter_context(link.forward(Socket(path="/var/run/docker.sock")))
        print(f"{asked.files} files, {asked.files * 5500 / 1e6:.0f} MB\n")
        print(f"{'RTT':>6}  {'builder':<22} {'case':<18} {'time':>8} {'on the link':>12}")
        for rtt in asked.rtt:
            for name, case, seconds, count in bench(rtt, asked.files, forward.local[1], folder):
                print(
                    f"{rtt:>4.0f}ms  {name:<22} {case:<18} {seconds:>7.2f}s {count / 1e6:>9.2f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
