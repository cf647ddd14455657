"""What `devbox pycharm` asks of this machine and of the host."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from devbox.errors import DevboxError, HostKeyError

if TYPE_CHECKING:
    from devbox.config.model import Config
    from devbox.ports.ask import Ask
    from devbox.pycharm.assemble import Here
    from devbox.pycharm.facts import Answer

Note = Callable[[str], None]
HELPER = "busybox:latest"


def remote_answer(config: Config, image: str, ask: Ask, note: Note) -> Answer:
    """What host and image say; what does not answer is noted with the reason.

    A host key that is not the known one is never passed over: `HostKeyError`.
    """
    from devbox import wiring
    from devbox.config.model import Interpreter
    from devbox.pycharm.facts import Answer, ask_host, ask_image

    try:
        with wiring.open_host(config, ask) as host:
            answer = ask_host(host)
            if config.pycharm.interpreter is Interpreter.SSH:
                return answer
            try:
                with wiring.open_daemon(config, host) as daemon:
                    return replace(answer, container_python=ask_image(daemon, image))
            except DevboxError as error:
                note(f"the image was not asked: {error}")
                return answer
    except HostKeyError:
        raise
    except DevboxError as error:
        note(f"the host was not asked: {error}")
        return Answer()


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

    address, identities = wiring.ssh_address(config)
    key = next((path for path in identities if Path(path).is_file()), "")
    return Here(
        ssh=Ssh(address.user, address.hostname, address.port, key),
        certificates=str(host_dir(config.host)),
        home=str(Path.home()),
        upload=upload,
        version=version,
        docker_cli=shutil.which("docker") or "",
        compose_cli=shutil.which("docker-compose") or "",
    )
