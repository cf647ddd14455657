"""Private keys during and after `init`: in no command line, environment, log, journal or output."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host.desk import Desk

pytestmark = pytest.mark.host

_WATCH = """while [ ! -e /tmp/enough ]; do
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ
done 2>/dev/null | tr '\\0' '\\n' | sort -u >/tmp/seen; rm -f /tmp/enough"""
_TRACES = (
    "journalctl --no-pager -o cat; cat /tmp/seen; rm -f /tmp/seen; "
    "find /var/log /var/lib/devbox /run /tmp /dev/shm /home /root -xdev -type f -size -4M "
    "-exec cat {} + 2>/dev/null"
)


@contextmanager
def watching(desk: Desk) -> Iterator[set[str]]:
    """Every command line and environment on the host and here, as often as they can be read."""
    seen: set[str] = set()
    enough = threading.Event()

    def here() -> None:
        while not enough.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((process / name).read_text(errors="replace"))
                    except OSError:
                        continue

    threads = [
        threading.Thread(target=here),
        threading.Thread(target=lambda: desk.host.sh(_WATCH, check=False)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        enough.set()
        desk.host.sh("touch /tmp/enough")
        for thread in threads:
            thread.join(30)


def private_lines(pem: str) -> list[str]:
    """The lines of a P-256 key that hold the private number (RFC 5915, in RFC 5208's frame): bytes 36 to 67.

    The third line holds nothing but the public key, which stands in every certificate, too.
    """
    lines = [line for line in pem.splitlines() if line and "PRIVATE" not in line]
    assert [len(line) for line in lines] == [64, 64, 56]
    return lines[:2]


def test_no_key_material_anywhere_and_pure_json_lines(desk: Desk) -> None:
    with watching(desk) as seen:
        running = desk.start("init", desk.host.name, "--yes", "--json", "-v")
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [one["kind"] for one in events]
    assert "init.plan" in kinds
    assert kinds[-1] == "init.done"
    assert kinds.count("init.check") == 6
    assert events[-1]["data"]["changed"] is True
    assert err == ""

    pems = [path.read_text() for path in desk.keys.rglob("*key.pem")]
    pems.append(desk.host.sh("cat /etc/docker/devbox/key.pem"))
    secrets = [line for pem in pems for line in private_lines(pem)]
    assert len(secrets) >= 6
    left = "".join(
        path.read_text(errors="replace")
        for path in desk.folder.rglob("*")
        if path.is_file() and path.name not in ("key.pem", "ca-key.pem")
    )
    traces = desk.host.sh(_TRACES, check=False)
    assert "devbox" in traces
    assert any("init\0" in one for one in seen), "our own process was not watched"
    places = {"output": out + err, "the host": traces, "processes": "\n".join(seen), "files here": left}
    found = [place for place, text in places.items() if any(secret in text for secret in secrets)]
    assert found == []
    assert "PRIVATE KEY" not in "".join(places.values())
