"""The shop as processes of this machine: no Docker, no network, no root."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devbox.errors import DevboxError
from devbox.workload import supervisor
from devbox.workload.places import LOOPBACK, one_at_a_time, settle
from devbox.workload.settings import GATEWAY_PORT, Place, Settings
from devbox.workload.state import prepare

_READY_SECONDS = 20.0
_DOWN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that runs: where, since how many seconds it took to get ready, and what was worth saying."""

    state: Path
    gateway: str
    places: Mapping[str, Place]
    seconds: float = 0.0
    nginx: bool = True
    moved: tuple[str, ...] = ()
    fresh: bool = True
    traces: str = ""

    def as_data(self) -> dict[str, Any]:
        """The shop as JSON."""
        return {
            "url": self.gateway,
            "traces": self.traces,
            "services": {name: f"http://{place.host}:{place.http}" for name, place in self.places.items()},
            "state": str(self.state),
            "spool": str(spool(self.state)),
            "ready_seconds": round(self.seconds, 3),
            "nginx": self.nginx,
            "moved": list(self.moved),
        }


def spool(state: Path) -> Path:
    """Where the spans of a local shop are."""
    return state / "spool"


def up(
    state: Path, port: int = GATEWAY_PORT, traces: int = 0, note: Callable[[str], None] = lambda text: None
) -> Shop:
    """Start the shop and wait until every service answers; a shop that runs already is left alone.

    `traces` is the port of the trace page beside it, which needs all of devbox installed; 0 for none.
    """
    began = time.monotonic()
    running = find(state)
    if running is not None:
        return running
    _sweep(state)
    aside = prepare(state)
    if aside is not None:
        note(f"data of another version of the shop was put into {aside}")
    (state / "switches.json").unlink(missing_ok=True)  # yesterday's faults would be today's riddle
    with one_at_a_time():  # else two shops that start together choose the same free ports
        settings, moved = settle(state, port, traces)
        note("starting user, order, payment, notify and the gateway")
        _spawn(settings)
        _save(settings)
        _until_ready(settings)
    return _shop(settings, time.monotonic() - began, moved)


def down(state: Path) -> bool:
    """End the shop; False when none ran. Also what a killed supervisor left behind."""
    pid = _noted(state).get("supervisor")
    if not _alive(state):
        return _sweep(state)
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _DOWN_SECONDS
    while _alive(state):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            _sweep(state)
            break
        time.sleep(0.02)
    return True


def find(state: Path) -> Shop | None:
    """The shop that runs in this state folder, if one does."""
    if not _alive(state):
        return None
    try:
        settings = Settings.read(json.loads((state / "shop.json").read_text()))
    except (OSError, ValueError):
        return None
    return _shop(settings, 0.0, (), fresh=False)


def _shop(settings: Settings, seconds: float, moved: tuple[str, ...], fresh: bool = True) -> Shop:
    url = f"http://{LOOPBACK}:{settings.gateway}"
    shop = Shop(settings.state, url, settings.places, seconds, bool(settings.nginx), moved, fresh)
    return replace(shop, traces=settings.traces)


def _spawn(settings: Settings) -> None:
    logs = settings.state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    package = Path(__file__).resolve().parent.parent.parent
    path = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))
    told = {"DEVBOX_TRACE_SPOOL": str(spool(settings.state)), "PYTHONPATH": path}
    with (logs / "supervisor.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "devbox.workload", "supervise"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env=os.environ | settings.environment() | told, check=True,
        )  # fmt: skip


def _save(settings: Settings) -> None:
    noted = settings.state / "shop.json"
    noted.touch(mode=0o600)  # URLs of brokers and databases may hold passwords
    noted.chmod(0o600)
    noted.write_text(json.dumps(settings.environment(), indent=2))


def _until_ready(settings: Settings) -> None:
    end = time.monotonic() + _READY_SECONDS
    # Through the gateway last: when it answers for the services, everything does.
    places = [(place.host, place.http, "/health") for place in settings.places.values()]
    if settings.traces:
        places.append((LOOPBACK, urlsplit(settings.traces).port or 0, "/"))
    for host, port, path in [*places, (LOOPBACK, settings.gateway, "/control")]:
        while not _answers(host, port, path):
            if time.monotonic() > end:
                raise _not_ready(settings, f"{host}:{port}{path}")
            time.sleep(0.02)


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _not_ready(settings: Settings, where: str) -> DevboxError:
    last = ""
    for log in sorted((settings.state / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").strip().splitlines()
        last = f"{log.stem}: {'; '.join(lines[-2:])}" if lines else last
    down(settings.state)
    return DevboxError(
        f"the shop did not get ready within {_READY_SECONDS:.0f} s",
        where=where,
        why=last or "nothing was said in the logs",
        next_steps=[f"less {settings.state}/logs/*.log"],
    )


def _alive(state: Path) -> bool:
    if not (state / "supervisor.lock").exists():
        return False
    lock = supervisor.hold(state)
    if lock is None:
        return True
    lock.close()
    return False


def _noted(state: Path) -> dict[str, Any]:
    try:
        noted = json.loads((state / "processes.json").read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _sweep(state: Path) -> bool:
    """End children that outlived a killed supervisor; True when there were any. A process counts as ours when
    its environment names this state folder: its number alone may long be somebody else's."""
    mark = f"SHOP_STATE={state.absolute()}".encode()
    swept = False
    for pid in dict(_noted(state).get("children", {})).values():
        try:
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.killpg(pid, signal.SIGKILL)
                swept = True
        except OSError:
            continue  # gone, or not ours to read
    return swept
