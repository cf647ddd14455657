"""buildx, for those who ask for it: the Docker CLI here builds, on the host's daemon or a builder of its own.

The CLI reaches the daemon through a `Door` of ours, whatever the endpoint. It is told the builder's name:
buildx would look up which one is in use for an address that it does not know, and forget the one that was.
Progress comes as JSON on its stderr (`--progress=rawjson`, since 0.13), its complaint as plain lines.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO

from devbox.adapters.docker import rawjson
from devbox.adapters.docker.door import Door
from devbox.adapters.docker.http import Http
from devbox.errors import BuildFailed, ConfigError, DaemonError, DevboxError
from devbox.ports.build import BuildContext, BuildEvent, BuildRequest, Built, Step

_NAMED = "BUILDX_BUILDER"
_DEFAULT = "default"
_OLDEST = (0, 13)
_ASIDE = ("DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", _NAMED)
_SECRET_LIMIT = 100_000  # Linux lets no variable be longer than 128 KiB
_GRACE = 10.0
_CONNECTING = "[internal] waiting for connection"


def named() -> str:
    """The builder that the user's environment names for buildx; "" for the daemon's own."""
    found = os.environ.get(_NAMED, "")
    return "" if found == _DEFAULT else found


def missing() -> str:
    """Why buildx cannot be used from here; "" when it can."""
    if shutil.which("docker") is None:
        return "there is no Docker CLI on this machine"
    asked = subprocess.run(["docker", "buildx", "version"], capture_output=True, text=True, check=False)
    if asked.returncode:
        return "the Docker CLI of this machine has no buildx"
    found = re.search(r"\bv?(\d+)\.(\d+)\.", asked.stdout)
    version = (int(found[1]), int(found[2])) if found else _OLDEST
    return (
        "" if version >= _OLDEST else f"its progress can be read from buildx 0.13 on: {asked.stdout.strip()}"
    )


@contextmanager
def build(api: Http, request: BuildRequest, context: BuildContext) -> Iterator[Iterator[BuildEvent]]:
    """The events of one build; leaving early interrupts the CLI and cuts its way to the daemon."""
    if why := missing():
        steps = ["devbox build   (BuildKit on the host, without any CLI)"]
        raise ConfigError("buildx cannot build here", why=why, next_steps=steps)
    with ExitStack() as stack:
        door = stack.enter_context(Door(api.dial))
        child = stack.enter_context(_started(request, context, door))
        assert child.stderr is not None
        yield _events(api, request, door, child, child.stderr)


def _events(
    api: Http, request: BuildRequest, door: Door, child: subprocess.Popen[str], stderr: IO[str]
) -> Iterator[BuildEvent]:
    said: list[str] = []
    for event in rawjson.events(stderr, said):
        if isinstance(event, Step) and event.error and event.name == _CONNECTING:
            raise _no_answer(event.error)
        yield event
    if child.wait():
        if isinstance(door.failure, DevboxError):
            raise door.failure
        why = " ".join(said).rpartition("ERROR: ")[2] or f"docker buildx ended with {child.returncode}"
        raise BuildFailed("the build failed", where=api.where, why=why)
    found = api.find(f"/images/{request.tag}/json")
    if not found:
        why = "docker buildx ended well, and the daemon does not have it"
        raise BuildFailed("there is no image", where=api.where, why=why, next_steps=["devbox build"])
    yield Built(found["Id"])


def _no_answer(why: str) -> DaemonError:
    steps = [f"docker buildx inspect {named()}", "devbox build --builder session   (BuildKit on the host)"]
    return DaemonError("the builder does not answer", where=named(), why=why, next_steps=steps)


@contextmanager
def _started(request: BuildRequest, context: BuildContext, door: Door) -> Iterator[subprocess.Popen[str]]:
    """The CLI at work, out of reach of the terminal's ^C: we end it, and wait until it has ended."""
    hidden = {f"DEVBOX_SECRET_{number}": name for number, name in enumerate(request.secrets)}
    environment = {name: value for name, value in os.environ.items() if name not in _ASIDE}
    environment |= {name: _as_variable(secret, request.secrets[secret]) for name, secret in hidden.items()}
    child = subprocess.Popen(
        words(request, context, hidden),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**environment, "DOCKER_HOST": f"unix://{door.path}"},
        start_new_session=True,
    )
    with child:
        try:
            yield child
        finally:
            _end(child, door)


def _end(child: subprocess.Popen[str], door: Door) -> None:
    if child.poll() is None:
        _signal(child, signal.SIGINT)
        door.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE)
            return
        _signal(child, signal.SIGKILL)


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def words(request: BuildRequest, context: BuildContext, hidden: Mapping[str, str]) -> list[str]:
    """The command line; `hidden` are the variables that hold the secrets."""
    found = ["docker", "buildx", "build", "--builder", named() or _DEFAULT, "--progress", "rawjson"]
    # What another builder made comes to the daemon; an attestation would make the image another one.
    found += ["--load", "--provenance=false", "--tag", request.tag, "--file", str(context.dockerfile)]
    found += ["--target", request.target] if request.target else []
    found += ["--platform", request.platform] if request.platform else []
    found += ["--no-cache"] if request.no_cache else []
    found += ["--pull"] if request.pull else []
    for option, pairs in (("--build-arg", request.args), ("--label", request.labels)):
        for name, value in pairs.items():
            found += [option, f"{name}={value}"]
    for name in request.cache_from:
        found += ["--cache-from", name]
    for variable, secret in hidden.items():
        found += ["--secret", f"id={secret},env={variable}"]
    return [*found, "--", str(context.root)]


def _as_variable(name: str, value: bytes) -> str:
    """A secret travels to the CLI in its environment: in a file it might outlive us."""
    if b"\0" in value or len(value) > _SECRET_LIMIT:
        raise ConfigError(
            f"the build secret {name} cannot be handed to buildx",
            why=f"it is larger than {_SECRET_LIMIT:,} bytes, or holds a zero byte",
            next_steps=["devbox build --builder session"],
        )
    return os.fsdecode(value)
