"""Where `scripts/bench sync` measures: OpenSSH servers of our own on 127.0.0.1 behind the delay proxy.

Both sides share the processors and one disk: the figures compare tools with each other, not with networks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devbox import wiring
from devbox.adapters.helper.best import BestTree
from devbox.adapters.helper.program import COMMAND
from devbox.adapters.sftp.over import OverSsh
from devbox.adapters.sftp.tree import SftpTree
from devbox.ports.events import Event
from devbox.ports.tree import Tree
from devbox.sync.place import Place
from devbox.sync.session import Session
from tests.rehearsal.proxy import Proxy
from tests.ssh.sshd import Sshd, sshd

FULL, NARROW = "far", "narrow"
"""Two hosts: an account with everything, and one that has SFTP and nothing else."""


@dataclass(frozen=True)
class Ground:
    """Two servers behind one delay, and folders to work in."""

    base: Path
    proxies: dict[str, Proxy]
    config: Path

    @property
    def shell(self) -> str:
        """How the others connect to `far`."""
        return f"ssh -F {self.config} -o StrictHostKeyChecking=yes"

    def delay(self, rtt: float) -> None:
        """From now on a round trip takes so many milliseconds more."""
        for proxy in self.proxies.values():
            proxy.delay = rtt / 2000

    def sent(self) -> int:
        """Bytes that went to the hosts until now."""
        return sum(proxy.carried["up"] for proxy in self.proxies.values())

    def fresh(self, name: str) -> Path:
        folder = self.base / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder

    def opener(self, host: str, there: Path) -> Callable[[], Tree]:
        def opened() -> Tree:
            link = wiring.open_host(host)
            if host == NARROW:
                return SftpTree(OverSsh(link.open_sftp_channel()), str(there), host)
            return BestTree(
                lambda: OverSsh(link.open_exec(COMMAND)),
                lambda: OverSsh(link.open_sftp_channel()),
                str(there),
                host,
            )

        return opened


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # connections that are cut while they wait
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="devbox-bench-")))
        proxies, stanzas = {}, []
        for host, options in ((FULL, ()), (NARROW, ("ForceCommand internal-sftp",))):
            server = stack.enter_context(sshd(base / f"sshd-{host}", options))
            proxies[host] = stack.enter_context(Proxy(("127.0.0.1", server.port)))
            stanzas.append(_stanza(base, host, server, proxies[host]))
        config = base / "ssh_config"
        config.write_text("\n".join(stanzas))
        os.environ["DEVBOX_SSH_CONFIG"] = str(config)
        os.environ["XDG_STATE_HOME"] = str(base / "state-home")
        os.environ.pop("SSH_AUTH_SOCK", None)
        _as_installed(base)
        yield Ground(base, proxies, config)


def _as_installed(base: Path) -> None:
    """Our modules come compiled, as pip leaves them: some machines forbid Python to keep what it compiled."""
    os.environ["PYTHONPYCACHEPREFIX"] = str(base / "pycache")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    (base / "first").mkdir()
    (base / "first" / "f").touch()
    for host in (FULL, NARROW):
        command(host, base / "first", base / f"first-{host}")


def _stanza(base: Path, host: str, server: Sshd, proxy: Proxy) -> str:
    known = base / f"known_hosts-{host}"
    known.write_text(f"[127.0.0.1]:{proxy.port} {server.public_host_key()}\n")
    return server.stanza(host, f"Port {proxy.port}", f"UserKnownHostsFile {known}")


def grow(root: Path, files: int) -> None:
    """So many small files (0.5 to 5 kB), fifty to a folder."""
    for number in range(files):
        folder = root / f"pkg{number // 1000}" / f"mod{number // 50 % 20}"
        if number % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.py").write_bytes(os.urandom(256) * (2 + number % 18))


def devbox(host: str, here: Path, there: Path) -> list[str]:
    """The command line up to the command, with a config of its own beside the tree."""
    config = here.parent / f"{here.name}.yaml"
    mapping = f"{{local: {here.name}, remote: {there}}}"
    config.write_text(f"name: b\nhost: {host}\nsync: [{mapping}]\n")
    return [sys.executable, "-m", "devbox", "-q", "--config", str(config)]


def command(host: str, here: Path, there: Path, expected: int = 0) -> float:
    """The whole `devbox sync`, from start to exit, in seconds. The config is not part of the tree."""
    start = time.perf_counter()
    words = [*devbox(host, here, there), "sync"]
    done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    assert done.returncode == expected, f"exit code {done.returncode}"
    return seconds


def timed(argv: Sequence[str], limit: float = 60.0) -> float:
    """Seconds that a command takes; infinite when it takes longer than `limit`."""
    start = time.perf_counter()
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return float("inf")
    return time.perf_counter() - start


def equal(here: Path, there: Path) -> None:
    """The figures of a tool that did not do its work are worth nothing."""
    done = subprocess.run(["diff", "-r", str(here), str(there)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[:300]


@dataclass
class Watched:
    """A session that watches, in this process, until the end of the `with`."""

    at: Ground
    host: str
    here: Path
    there: Path
    events: list[Event] = field(default_factory=list)

    def __enter__(self) -> Watched:
        ready, self.stop = threading.Event(), threading.Event()

        def listen(event: Event) -> None:
            self.events.append(event)
            if event.kind == "sync.ready":
                ready.set()

        place = Place(os.fsencode(self.here), str(self.there), self.host, self.at.fresh("state"))
        self.session = Session(place, self.at.opener(self.host, self.there), listen)
        self.thread = threading.Thread(target=self.session.watch, args=(wiring.watch, self.stop))
        self.thread.start()
        assert ready.wait(120), "the watch does not begin"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.session.wake()
        self.thread.join()
        self.session.close()


def until(condition: Callable[[], bool], limit: float = 30.0) -> float:
    """Seconds until it holds; infinite after `limit`."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > limit:
            return float("inf")
        time.sleep(0.0005)
    return time.perf_counter() - start
