"""The tunnels that `devbox pycharm` prints, and what is behind them."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator

from tests.pycharm.conftest import Stage


@contextlib.contextmanager
def tunnel(stage: Stage, command: str) -> Iterator[None]:
    """The printed command, as it was printed, by an ssh that knows the rehearsal's hosts."""
    words = shlex.split(command)
    more = ["-F", stage.environment["DEVBOX_SSH_CONFIG"], "-v", "-o", "ExitOnForwardFailure=yes"]
    with subprocess.Popen([words[0], *more, *words[1:]], stderr=subprocess.PIPE, text=True) as process:
        try:
            _await(process)
            yield
        finally:
            process.terminate()


def _await(process: subprocess.Popen[str]) -> None:
    """Until ssh says that the tunnel is open; what it said when it ends before."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "remote forward success" in line or "Local forwarding listening on" in line:
            return
    raise AssertionError("".join(said))


def fetch(url: str) -> str:
    """What answers there, when something does."""
    for _ in range(200):
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
        time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")
