"""The page of a project whose programs run on a real host: their spools, and OTLP that they send to their own
loopback.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devbox import wiring
from devbox.ports.host import Finished, Script
from devbox.traces.export import otlp
from tests.rehearsal.hosts import RehearsalHost
from tests.traces.pages import START, order
from tests.traces.reading import ROOT

# Nothing but bash, which has sockets of its own: the host has no curl, and a Python without urllib.
EXPORT = r"""
bash -c '
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 1
printf "POST /v1/traces HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n" >&3
printf "Content-Length: %s\r\n\r\n" "$(wc -c <"$DEVBOX_STAGE/spans.json")" >&3
cat "$DEVBOX_STAGE/spans.json" >&3
head -n 1 <&3'
"""


@pytest.mark.host
def test_otlp_of_a_program_on_the_host_is_on_the_page(
    rehearsal_host: RehearsalHost, ssh_config: Callable[[], Path], tmp_path: Path
) -> None:
    ssh_config()
    (tmp_path / "devbox.yaml").write_text(
        f"name: app\nhost: {rehearsal_host.name}\nsync:\n  - {{local: ., remote: ~/app, container: /app}}\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(tmp_path / "state")}
    argv = [sys.executable, "-m", "devbox", "trace", "ui", "--json", "--port", "0"]
    page = subprocess.Popen(argv, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert page.stdout is not None
    try:
        url = json.loads(page.stdout.readline())["data"]["url"]
        port = int(url.rsplit(":", 1)[1].strip("/"))
        said = exported(rehearsal_host.name, port)
        assert said[0].strip() == "HTTP/1.1 200 OK"
        assert "POST /orders" in names(url)
    finally:
        page.send_signal(signal.SIGINT)
        page.communicate(timeout=30)
    assert page.returncode == 130


def exported(host: str, port: int) -> list[str]:
    """What a program on the host is answered, once the page has connected."""
    shift = time.time_ns() - START  # of today: what is older than the page keeps is forgotten when it comes
    today = [replace(one, start=one.start + shift, end=one.end + shift) for one in order()]
    script = Script(EXPORT.format(port=port), files={"spans.json": json.dumps(otlp(today)).encode()})
    end = time.monotonic() + 60
    with wiring.open_host(host) as link:
        while True:
            *lines, last = link.run(script)
            if last == Finished(0) or time.monotonic() > end:
                return [getattr(line, "text", "") for line in lines]


def names(url: str) -> set[str]:
    """The functions that the page knows, once it knows some."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.1)
        with urllib.request.urlopen(f"{url}api/functions") as answer:
            found = {row["name"] for row in json.load(answer)}
        if found:
            return found
    return set()
