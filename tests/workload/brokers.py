"""Real brokers of the tests' own: started in a folder, on loopback, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.workload.shops import eventually


class Broker(ABC):
    """One server process with a folder of its own. `ready` is what it logs when it can be used: many listen
    before that."""

    ready = b""
    survives = True
    """Whether what it accepted is still there after it was killed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._logged = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """How the shop names it."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs it."""

    def environment(self) -> dict[str, str]:
        """What it finds in its environment."""
        return dict(os.environ)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._logged = log.tell()
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=self.environment(), cwd=self.folder,
            )  # fmt: skip
        eventually(self._listens, seconds=90)

    def _listens(self) -> bool:
        assert self._process is not None
        said = (self.folder / "log").read_bytes()[self._logged :]
        assert self._process.poll() is None, said[-2000:].decode(errors="replace")
        if self.ready not in said:
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it and everything it started, as if the machine had taken it away."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class Redis(Broker):
    """redis-server, which writes what it accepts to a file before it says so (`appendonly`): its own death
    loses nothing, the machine's may lose the last second."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            need("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder),
            "--appendonly", "yes", "--save", "",
        ]  # fmt: skip


class RabbitMQ(Broker):
    """rabbitmq-server, without plugins."""

    ready = b"Server startup complete"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def command(self) -> list[str]:
        # Debian's /usr/sbin/rabbitmq-server insists on root or the user rabbitmq; what it calls does not.
        return [need("rabbitmq-server", "/usr/lib/rabbitmq/bin")]

    def environment(self) -> dict[str, str]:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            "vm_memory_high_watermark.absolute = 512MiB\ndisk_free_limit.absolute = 50MB\n"
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        return os.environ | {
            "HOME": str(self.folder),  # where Erlang keeps its cookie
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_NODENAME": f"shop{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._own("dist")),
            "ERL_EPMD_PORT": str(self._own("epmd")),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _own(self, name: str) -> int:
        """A port that stays the same when it is started again."""
        noted = self.folder / f"{name}.port"
        if not noted.exists():
            noted.write_text(str(free_port()))
        return int(noted.read_text())

    def _end(self, number: signal.Signals) -> None:
        super()._end(number)
        # Erlang's port mapper puts itself in the background; it ends when it is asked at its port.
        subprocess.run(
            ["epmd", "-port", str(self._own("epmd")), "-kill"], capture_output=True, timeout=10, check=False
        )


class Kafka(Broker):
    """librdkafka's own broker, which speaks the protocol and keeps everything in memory."""

    survives = False

    @property
    def url(self) -> str:
        # A broker answers a fetch as soon as there is something; this one when the wait is over.
        return f"kafka://127.0.0.1:{self.port}?fetch.wait.max.ms=5"

    def command(self) -> list[str]:
        return [sys.executable, str(Path(__file__).with_name("mockkafka.py"))]

    def start(self) -> None:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        said = eventually(lambda: (self.folder / "log").read_text().strip(), seconds=30)
        self.port = int(said.rpartition(":")[2])


class Postgres(Broker):
    """A PostgreSQL with one database. It refuses to run as root, so it runs as its own user then."""

    ready = b"ready to accept connections"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        data = self.folder / "data"
        if not data.exists():
            if os.geteuid() == 0:
                shutil.chown(self.folder, "postgres", "postgres")
            user = ["-U", "postgres", "-A", "trust"]
            made = [*self._as_somebody(), self._program("initdb"), "-D", str(data), *user]
            subprocess.run(made, check=True, capture_output=True, cwd=self.folder)
        return [
            *self._as_somebody(), self._program("postgres"), "-D", str(data), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
        ]  # fmt: skip

    def _as_somebody(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return [need("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def _program(self, name: str) -> str:
        return need(name, *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))

    def start(self) -> None:
        # The children of one that was killed lead groups of their own, and need a moment to see that it is
        # gone; until then its successor does not start.
        end = time.monotonic() + 20
        while True:
            try:
                return super().start()
            except AssertionError:
                if time.monotonic() > end:
                    raise


@contextmanager
def killable(folder: Path) -> Iterator[dict[str, Broker]]:
    """Brokers and a database, started and in the end stopped."""
    with tempfile.TemporaryDirectory(prefix="shop-postgres-") as reachable:
        made: dict[str, Broker] = {
            "redis": Redis(folder / "redis"),
            "rabbitmq": RabbitMQ(folder / "rabbitmq"),
            "kafka": Kafka(folder / "kafka"),
            "postgres": Postgres(Path(reachable)),
        }
        try:
            for broker in made.values():
                broker.start()
            yield made
        finally:
            for broker in made.values():
                broker.stop()


def urls(brokers: Mapping[str, Broker]) -> str:
    """What SHOP_BROKERS says of them."""
    return " ".join(brokers[name].url for name in ("redis", "rabbitmq", "kafka"))


def need(program: str, *folders: str) -> str:
    """The program, or a test that is skipped and says so."""
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is not installed (scripts/test installs it)")
    return found


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
