"""What Dubbo's own client leaves to us: calls that are never answered."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.traces.reading import ROOT

CALLER = """
import sys
from devbox.workload.contract import operation
from devbox.workload.failures import DeadlineExceeded
from devbox.workload.roads.dubboroad import DubboRoad

road = DubboRoad("127.0.0.1", int(sys.argv[1]))
for _ in range(20):
    try:
        road.call(operation("users.find"), {"user": "u1"}, {}, 0.1)
    except DeadlineExceeded:
        print("given up", flush=True)
"""


def test_calls_that_are_never_answered_hold_up_nobody() -> None:
    """Neither later calls nor the end of the process: the callee takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        words = [sys.executable, "-c", CALLER, str(silent.getsockname()[1])]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "given up\n" * 20), done.stderr
