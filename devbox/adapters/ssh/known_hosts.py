"""known_hosts as OpenSSH reads it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): strictly, no default yes."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devbox.adapters.ssh.resolve import Target
from devbox.errors import HostKeyError


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key: its type and its blob, as they stand in known_hosts."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: `SHA256:` and unpadded base64."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def label(self) -> str:
        """The type as people know it: ED25519, ECDSA, RSA."""
        return self.kind.removeprefix("ssh-").partition("-")[0].upper()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file that is about the host in question."""

    file: str
    line: int
    marker: str
    key: HostKey


def entries(target: Target) -> list[Entry]:
    """What the user's and the system's files say about the target, in their order."""
    files = (*target.known_hosts, *target.global_known_hosts)
    return [entry for file in files for entry in _read(file, target.known_as)]


def _read(file: str, name: str) -> Iterator[Entry]:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or not _names(fields[0], name):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        yield Entry(file, number, marker, HostKey(fields[1], blob))


def _names(patterns: str, name: str) -> bool:
    """Whether a host field covers `name`: hashed, or a comma list of patterns where `!` excludes."""
    if patterns.startswith("|1|"):
        return _hashed(patterns, name)
    covered = False
    for pattern in patterns.lower().split(","):
        negated = pattern.startswith("!")
        # Brackets are literal in known_hosts ([host]:port); fnmatch would read them as a class.
        glob = pattern.lstrip("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(name.lower(), glob):
            if negated:
                return False
            covered = True
    return covered


def _hashed(field: str, name: str) -> bool:
    _, _, salt, digest = (*field.split("|"), "", "")[:4]
    try:
        expected = base64.b64decode(digest)
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return hmac.compare_digest(made, expected)


def preferred_kinds(known: Iterable[Entry], supported: Iterable[str]) -> list[str]:
    """The supported key algorithms with those first whose key is known, so that the host offers that one."""
    kinds = {entry.key.kind for entry in known if not entry.marker}
    algorithms = list(supported)
    first = [one for one in algorithms if one in kinds or ("ssh-rsa" in kinds and one.startswith("rsa-sha2"))]
    return first + [one for one in algorithms if one not in first]


def verify(target: Target, offered: HostKey, known: Iterable[Entry]) -> bool:
    """True: the key is known. False: nothing is known about the host. Changed or revoked: `HostKeyError`."""
    relevant = list(known)
    if any(entry.marker == "@revoked" and entry.key == offered for entry in relevant):
        raise HostKeyError(
            "the host's key is revoked",
            where=str(target.address),
            why=f"{offered.label} {offered.fingerprint} is marked @revoked in known_hosts",
            next_steps=["ask the host's administrator which key is right; do not connect until then"],
        )
    keys = [entry for entry in relevant if not entry.marker]
    if any(entry.key == offered for entry in keys):
        return True
    if keys:
        raise _changed(target, offered, keys)
    return False


def _changed(target: Target, offered: HostKey, keys: list[Entry]) -> HostKeyError:
    same = [entry for entry in keys if entry.key.kind == offered.kind] or keys
    old = same[0]
    return HostKeyError(
        "the host's key has CHANGED: this may be another machine, or someone in between",
        where=str(target.address),
        why=(
            f"known is {old.key.label} {old.key.fingerprint} ({old.file}:{old.line}), "
            f"offered was {offered.label} {offered.fingerprint}"
        ),
        next_steps=[
            "compare the offered fingerprint on the host's own console: "
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            f"only if it is right: ssh-keygen -R '{target.known_as}' -f {old.file}",
        ],
    )


def unknown(target: Target, offered: HostKey) -> HostKeyError:
    """The error for a host that known_hosts says nothing about, when nobody could be asked."""
    return HostKeyError(
        "the host's key is not known yet",
        where=str(target.address),
        why=f"it offers {offered.label} {offered.fingerprint}",
        next_steps=[
            f"devbox init {target.address.name}   (at a terminal: shows the key and asks)",
            f"ssh {target.address.name}   (the same, with OpenSSH)",
        ],
    )


def remember(target: Target, key: HostKey) -> Path:
    """Append the key to the user's first known_hosts file, made 0600 when absent; returns the file."""
    if not target.known_hosts:
        raise HostKeyError("there is no known_hosts file to remember the key in", where=str(target.address))
    path = Path(target.known_hosts[0])
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{target.known_as} {key.kind} {base64.b64encode(key.blob).decode()}\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "r+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line
        file.write(line.encode())
    return path
