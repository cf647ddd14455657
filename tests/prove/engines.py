"""scripts/prove engines: every builder on every engine that Debian has, for real."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from devbox import wiring
from devbox.adapters.docker import dial
from devbox.adapters.docker.daemon import DockerDaemon
from devbox.config.load import parse
from devbox.errors import DevboxError
from devbox.image.build import How, build, plan
from devbox.ports.build import Builder
from devbox.ports.daemon import ContainerSpec, ExecSpec
from devbox.ports.events import ignore
from tests.rehearsal import hosts, images
from tests.rehearsal.daemon import client, docker
from tests.rehearsal.hosts import MACHINE

IMAGE = images.PYTHON_IMAGE
PLAIN = f"FROM {IMAGE}\nWORKDIR /app\nCOPY . .\n"
MOUNTS = (
    "RUN --mount=type=cache,target=/c --mount=type=secret,id=word test $(cat /run/secrets/word) = hidden\n"
)


def trial(daemon: DockerDaemon, folder: Path) -> dict[str, object]:
    """What works on this engine; a failure is the sentence that it was stated in."""
    (folder / "big.bin").write_bytes(secrets.token_bytes(300_000))
    (folder / "Dockerfile").write_text(PLAIN)
    (folder / "word").write_text("hidden")
    config = replace(parse("name: engines\nbuild: {dockerfile: Dockerfile}"), root=str(folder))
    secret = replace(config, build=replace(config.build, secrets={"word": "word"}))

    def sent() -> int:
        return build(daemon, plan(config, "prove"), ignore).sent

    def copied() -> int:
        (folder / "Dockerfile").write_text(f"FROM {IMAGE}\nCOPY wor* /there/\n")
        return build(daemon, plan(config, "prove"), ignore).sent

    def hidden() -> str:
        (folder / "Dockerfile").write_text(PLAIN + MOUNTS)
        return build(daemon, plan(secret, "prove"), ignore).image[:12]

    def classic() -> str:
        (folder / "Dockerfile").write_text(PLAIN)
        return build(daemon, plan(config, "prove", How(builder=Builder.CLASSIC)), ignore).image[:12]

    def life() -> str:
        made = daemon.create(ContainerSpec("", config.image, ("sleep", "60")))
        daemon.start(made)
        running = daemon.exec(made, ExecSpec(("cat", "word")))
        text = b"".join(piece.data for piece in running.output()).decode()
        running.close()
        daemon.remove(made)
        return text

    found: dict[str, object] = {"engine": daemon.engine().version, "api": daemon.engine().api}
    trials: dict[str, Callable[[], object]] = {
        "session, first: bytes": sent,
        "session, again: bytes": sent,
        "one file copied of all: bytes": copied,
        "cache mount and secret": hidden,
        "classic": classic,
        "container and exec": life,
    }
    for name, attempt in trials.items():
        try:
            found[name] = attempt()
        except DevboxError as error:
            found[name] = f"FAILED: {error}"
    return found


@contextmanager
def on_host(release: str) -> Iterator[DockerDaemon]:
    """The engine of a rehearsal host of that release."""
    host = hosts.up(hosts.Wish(f"engines-{release}", release))
    host.shell("usermod", "-aG", "docker", "dev")
    with ExitStack() as stack:
        stack.callback(hosts.down, host.name)
        config = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ssh_config"
        config.write_text(hosts.ssh_config())
        os.environ["DEVBOX_SSH_CONFIG"] = str(config)
        wanted = parse(f"name: engines\nhost: {host.name}\ndocker: {{endpoint: ssh}}")
        yield stack.enter_context(wiring.open_daemon(wanted))


@contextmanager
def bare(release: str) -> Iterator[DockerDaemon]:
    """The engine of a release whose systemd does not start here (it wants cgroup v2): dockerd by itself."""
    image = images.ensure(images.host_recipe(release))
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", "-d", *MACHINE.split(), "-v", "/var/lib/docker", "-v", "/var/lib/containerd"]
        made = docker(
            *words, "-v", f"{folder}:/sock", image, "dockerd", "-H", "unix:///sock/d"
        ).stdout.strip()
        try:
            for _ in range(300):
                if (
                    docker("exec", made, "docker", "-H", "unix:///sock/d", "version", check=False).returncode
                    == 0
                ):
                    break
                time.sleep(0.1)
            stand_in = images.ensure(images.python_recipe())
            with subprocess.Popen([*client(), "save", stand_in], stdout=subprocess.PIPE) as saving:
                words = ["exec", "-i", made, "docker", "-H", "unix:///sock/d", "load"]
                subprocess.run([*client(), *words], stdin=saving.stdout, check=True, capture_output=True)
            with DockerDaemon(dial.unix(f"{folder}/d"), release) as daemon:
                yield daemon
        finally:
            docker("rm", "-f", "-v", made)


def main() -> None:
    """Print one JSON line per engine."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--release", nargs="*", default=["bookworm", "trixie", "sid"])
    for release in parser.parse_args().release:
        opened = bare(release) if release == "sid" else on_host(release)
        with opened as daemon, tempfile.TemporaryDirectory(prefix="devbox-engines-") as folder:
            print(json.dumps(trial(daemon, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
