"""Someone who types `devbox sync`, and what his host has then."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rehearsal.daemon import client
from tests.rehearsal.hosts import RehearsalHost
from tests.rehearsal.proxy import Proxy
from tests.sync.bench import picture

REMOTE = "/home/dev/sync-tests"
LIMIT = 120
"""Seconds for what must happen: with twenty others on the processor, a start alone takes half a minute."""


@dataclass
class User:
    """Someone with a project and a link to the host that can be made bad."""

    project: Path
    host: RehearsalHost
    proxy: Proxy
    environment: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "devbox", "-C", str(self.project), *words]
        return subprocess.Popen(
            command, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def devbox(self, *words: str, code: int = 0) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=LIMIT)
        assert process.returncode == code, (process.returncode, out, err)
        return out, err

    def there(self, into: Path) -> dict[str, object]:
        """The remote tree, brought here by other means than ours."""
        command = [*client(), "exec", self.host.container, "tar", "-C", f"{REMOTE}/p", "-cf", "-", "."]
        packed = subprocess.run(command, check=True, capture_output=True).stdout
        into.mkdir()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(into)
        return picture(into)

    def left_alone(self) -> None:
        """Wait until nobody works there: what is in the pipes at a cut is still done, then the lock goes."""
        end = time.monotonic() + LIMIT
        ours = "pgrep -u dev -a -f 'i = sys.stdin.buffer|sftp-server'; test $? -le 1"
        while working := self.host.sh(ours):
            assert time.monotonic() < end, working
            time.sleep(0.05)

    def leftovers(self) -> str:
        self.left_alone()
        return self.host.sh(f"ls {REMOTE}/.devbox-staging.p").split("\n", 1)[0].strip()


@dataclass
class Watch:
    """`devbox --json sync --watch`; its events are read on a thread of their own."""

    user: User
    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def end(self) -> None:
        """Stop it. Its output is read to the end before anybody closes that."""
        self.process.send_signal(signal.SIGINT)
        self.reader.join(LIMIT)
        self.process.communicate(timeout=LIMIT)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append({**json.loads(line), "at": time.monotonic()})

    def until(self, kind: str, since: int = 0, seconds: float = LIMIT) -> dict[str, Any]:
        """The first event of that kind behind the first `since`."""
        end = time.monotonic() + seconds
        while True:
            found = next((one for one in self.events[since:] if one["kind"] == kind), None)
            if found:
                return found
            assert time.monotonic() < end, (kind, self.events[-5:])
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            time.sleep(0.01)

    def arrived(self, name: str, text: str) -> None:
        end = time.monotonic() + LIMIT
        while self.user.host.sh(f"cat {REMOTE}/p/{name}") != text:
            assert time.monotonic() < end, self.events[-5:]
