"""The image's link of the chain, for `devbox doctor`."""

from __future__ import annotations

from devbox.config.model import Config
from devbox.errors import DevboxError
from devbox.ports.check import Check, Finding, Stage, Verdict
from devbox.ports.daemon import Daemon


def checks(config: Config, daemon: Daemon) -> list[Check]:
    """Whether the app image is on the host."""
    return [Check("app image", Stage.IMAGE, lambda: _present(config, daemon))]


def _present(config: Config, daemon: Daemon) -> Finding:
    try:
        image = daemon.image(config.image)
    except DevboxError as error:
        return Finding(Verdict.FAILED, str(error), next(iter(error.next_steps), ""))
    if image is None:
        return Finding(Verdict.WARNING, f"{config.image} is not on the host yet", "devbox build")
    data = {"id": image.id, "size": image.size}
    return Finding(Verdict.OK, f"{config.image} {image.id[7:19]}, {image.size / 1e6:.0f} MB", data=data)
