"""`scripts/bench init [--rounds N]`: `devbox init` at RTT 0 and 50 ms, beside `ssh HOST true`.

Round trips are what a round trip's length costs: (time at 50 ms - time at 0) / 50 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.host.desk import Desk, clean, sit_down
from tests.rehearsal import hosts
from tests.rehearsal.proxy import Proxy

_NEAR = "127.0.9.1"
"""Where the delayed host stands: its ports are the real ones, each behind a proxy."""
_RTT = 0.05


def main() -> None:
    """Print a table; medians."""
    parser = argparse.ArgumentParser(prog="scripts/bench init", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (7)")
    rounds = parser.parse_args().rounds
    host = hosts.up(hosts.Wish("bench-init", python_image=False))
    try:
        with tempfile.TemporaryDirectory(prefix="devbox-bench-") as folder:
            desk = sit_down(Path(folder), host)
            _behind_proxies(desk)
            table = {name: _at(desk, delay, rounds) for name, delay in (("0", 0.0), ("50", _RTT / 2))}
    finally:
        hosts.down("bench-init")
    print(f"{'':<44}{'RTT 0':>10}{'RTT 50 ms':>12}{'round trips':>13}")
    for what in table["0"]:
        near, far = table["0"][what], table["50"][what]
        print(f"{what:<44}{near * 1000:>7.0f} ms{far * 1000:>9.0f} ms{(far - near) / _RTT:>13.1f}")


def _behind_proxies(desk: Desk) -> None:
    path = desk.folder / "ssh_config"
    text = path.read_text().replace(
        f"  HostName {desk.host.address}", f"  HostName {_NEAR}\n  HostKeyAlias {desk.host.address}"
    )
    path.write_text(text)


def _at(desk: Desk, delay: float, rounds: int) -> dict[str, float]:
    proxies = [Proxy((desk.host.address, port), delay, (_NEAR, port)) for port in (22, 2376)]
    try:
        first = [_first(desk) for _ in range(max(1, rounds // 3))]
        second = [_seconds(lambda: desk.init()) for _ in range(rounds)]
        login = [_seconds(lambda: _ssh(desk)) for _ in range(rounds)]
        return {
            "ssh HOST true": statistics.median(login),
            "first devbox init, without dockerd's restart": statistics.median(first),
            "second devbox init, everything proved": statistics.median(second),
        }
    finally:
        for proxy in proxies:
            proxy.close()


def _seconds(do: Any) -> float:
    started = time.monotonic()
    do()
    return time.monotonic() - started


def _first(desk: Desk) -> float:
    """A first `init`, less the time between "files in place" and "dockerd restarted"."""
    clean(desk.host)
    started = time.monotonic()
    lines = desk.devbox("init", desk.host.name, "--yes", "--json").splitlines()
    took = time.monotonic() - started
    at = {event["data"].get("step"): event["at"] for event in map(json.loads, lines)}
    return took - (at["dockerd restarted"] - at["files in place"])


def _ssh(desk: Desk) -> None:
    words = ["ssh", "-F", str(desk.folder / "ssh_config"), desk.host.name, "true"]
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    main()
