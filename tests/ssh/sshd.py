"""A real OpenSSH server of our own on 127.0.0.1, with its keys, a client's key and an ssh_config for it."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running server. `folder` holds host_key, user_key, known_hosts, authorized_keys and log."""

    folder: Path
    port: int
    user: str

    @property
    def known_as(self) -> str:
        return f"[127.0.0.1]:{self.port}"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def user_key(self) -> Path:
        return self.folder / "user_key"

    def public_host_key(self) -> str:
        return (self.folder / "host_key.pub").read_text().rsplit(" ", 1)[0]

    def know(self) -> None:
        """Put the server's key into known_hosts."""
        self.known_hosts.write_text(f"{self.known_as} {self.public_host_key()}\n")

    def authorize(self, public: Path) -> None:
        """Let the owner of that key in."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(public.read_text())

    def stanza(self, name: str, *more: str) -> str:
        """This server as a `Host NAME` of an ssh_config; `more` lines come first, so they win."""
        lines = [
            *more,
            "HostName 127.0.0.1",
            f"Port {self.port}",
            f"User {self.user}",
            f"IdentityFile {self.user_key}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.known_hosts}",
            "GlobalKnownHostsFile none",
        ]
        return "\n".join([f"Host {name}", *(f"    {line}" for line in lines), ""])

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "", comment: str = "test") -> Path:
    """A key pair; returns the private file."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", comment, "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def sshd(folder: Path, options: Sequence[str] = (), host_key_kind: str = "ed25519") -> Iterator[Sshd]:
    """A server that knows one user (whoever runs the tests) by user_key, and is known in known_hosts."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "these tests need sshd: apt-get install openssh-server"
    Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    keygen(folder / "host_key", host_key_kind)
    keygen(folder / "user_key")
    server = Sshd(folder, free_port(), getpass.getuser())
    server.authorize(folder / "user_key.pub")
    server.know()
    lines = [
        *options,
        f"Port {server.port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        f"PidFile {folder / 'pid'}",
        "Subsystem sftp internal-sftp",
        "MaxStartups 100",
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    argv = [program, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        _await_port(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _await_port(server: Sshd, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        assert process.poll() is None, server.log()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {server.log()}")
