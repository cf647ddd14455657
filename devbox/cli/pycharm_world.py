"""What `devbox pycharm` asks of this machine and of the host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devbox.errors import DaemonError, DevboxError, HostKeyError

if TYPE_CHECKING:
    from devbox import wiring
    from devbox.config.model import Config
    from devbox.ports.ask import Ask
    from devbox.pycharm.assemble import Here
    from devbox.pycharm.facts import Answer, Asked

Note = Callable[[str], None]
HELPER = "busybox:latest"


def ask_remote(config: Config, image: str, ask: Ask) -> Asked:
    """What host and image say now, and which link of the chain did not answer, with the reason."""
    from devbox import wiring
    from devbox.config.model import Interpreter
    from devbox.pycharm.facts import HOST, HOST_KEY, Asked, ask_host

    try:
        with wiring.open_host(config, ask) as host:
            answer = ask_host(host, [one.remote for one in config.sync])
            if config.pycharm.interpreter is Interpreter.SSH:
                return Asked(answer)
            return _ask_daemon(config, host, image, answer)
    except HostKeyError as error:
        return Asked(troubles={HOST_KEY: error})
    except DevboxError as error:
        return Asked(troubles={HOST: error})


def _ask_daemon(config: Config, host: wiring.Connection, image: str, answer: Answer) -> Asked:
    from devbox import wiring
    from devbox.pycharm.facts import DOCKER, IMAGE, Asked, ask_image

    link = DOCKER
    try:
        with wiring.open_daemon(config, host) as daemon:
            there = daemon.image(image)
            link = IMAGE
            if there is None:
                raise DaemonError(f"there is no image {image} yet", next_steps=["devbox build"])
            return Asked(replace(answer, container_python=ask_image(daemon, image)))
    except DevboxError as error:
        return Asked(answer, {link: error})


def pull_helper(config: Config, note: Note) -> None:
    """Have busybox on the host: PyCharm starts its helper container from it, and does not pull it alone."""
    from devbox import wiring

    try:
        with wiring.open_daemon(config) as daemon:
            if daemon.image(HELPER) is None:
                daemon.pull(HELPER, lambda _line: None)
    except DevboxError as error:
        note(f"{HELPER} is not on the host and could not be pulled ({error}); PyCharm may ask for it")


def here(config: Config, upload: bool, version: tuple[int, int]) -> Here:
    """This machine's part: how SSH reaches the host, certificates, tools."""
    from devbox import wiring
    from devbox.config.paths import host_dir
    from devbox.pycharm.assemble import Here
    from devbox.pycharm.model import Ssh
    from devbox.services.model import network_name

    address, identities = wiring.ssh_address(config)
    key = next((path for path in identities if Path(path).is_file()), "")
    return Here(
        ssh=Ssh(address.user, address.hostname, address.port, key, wiring.ssh_alias(config)),
        certificates=str(host_dir(config.host)),
        home=str(Path.home()),
        upload=upload,
        version=version,
        docker_cli=shutil.which("docker") or "",
        compose_cli=shutil.which("docker-compose") or "",
        networks={
            one.name: "host"
            if "host-network" in one.allow
            else network_name(config, address.user, next(iter(one.networks), "default"))
            for one in config.services
        },
    )
