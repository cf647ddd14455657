"""The keys a user can show: those of the agent, and those of identity files with their certificates."""

from __future__ import annotations

import base64
import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.agent import AgentSSH

from devbox.adapters.ssh.resolve import Target
from devbox.ports.ask import Ask

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One key to try; `label` says where it comes from."""

    label: str
    key: paramiko.PKey


@dataclass(frozen=True, slots=True)
class Unusable:
    """One key that could not even be tried, why, and the command that mends it."""

    label: str
    why: str
    fix: str = ""


class Agent(AgentSSH):
    """An ssh-agent at a given socket; paramiko's own knows `SSH_AUTH_SOCK` only."""

    _connect: Callable[[socket.socket], None]
    _close: Callable[[], None]

    def __init__(self, path: str) -> None:
        super().__init__()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(10)
            sock.connect(path)
            sock.settimeout(None)  # a hardware key waits for its owner's touch
            self._connect(sock)
        except (OSError, paramiko.SSHException):
            sock.close()
            raise

    def close(self) -> None:
        """Hang up; keys of this agent cannot sign afterwards."""
        self._close()


def candidates(target: Target, agent: Agent | None, ask: Ask) -> Iterator[Candidate | Unusable]:
    """Keys in OpenSSH's order: the agent's that are named by identity files, its others, then the files.

    Lazily: a file's passphrase is asked for only when nothing before it was accepted.
    """
    files = [Path(one) for one in target.identities if Path(one).is_file()]
    named = {blob for one in files if (blob := _public(one))}
    held = list(agent.get_keys()) if agent else []
    mine = [key for key in held if key.asbytes() in named]
    others = [] if target.identities_only else [key for key in held if key.asbytes() not in named]
    for key in [*mine, *others]:
        yield Candidate(f"agent key {key.comment or key.fingerprint}", key)
    known = {key.asbytes() for key in held}
    for file in files:
        if _public(file) in known:
            continue  # the agent has shown it already
        yield from _from_file(file, target, ask)


def _public(file: Path) -> bytes | None:
    """The public blob beside a private key file (or of a file that is itself public)."""
    for path in (file.with_name(f"{file.name}.pub"), file):
        try:
            fields = path.read_text(encoding="ascii").split()
            if len(fields) >= 2 and fields[0].startswith(("ssh-", "ecdsa-", "sk-")):
                return base64.b64decode(fields[1])
        except (OSError, ValueError):
            continue
    return None


def _from_file(file: Path, target: Target, ask: Ask) -> Iterator[Candidate | Unusable]:
    try:
        data = file.read_bytes()
    except OSError as error:
        yield Unusable(f"key {file}", error.strerror or str(error), f"ls -l {file}")
        return
    if b"PRIVATE KEY" not in data:
        return  # a public key that names one of the agent's
    opened = _open(file, data, ask)
    if isinstance(opened, Unusable):
        yield opened
        return
    wanted = (f"{file}-cert.pub", *target.certificates)
    for certificate in (one for one in wanted if Path(one).is_file()):
        signed = _as_paramiko(opened)
        try:
            signed.load_certificate(certificate)
        except (ValueError, OSError, paramiko.SSHException):
            continue  # another key's certificate
        yield Candidate(f"key {file} with certificate {certificate}", signed)
    yield Candidate(f"key {file}", _as_paramiko(opened))


_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _open(file: Path, data: bytes, ask: Ask) -> _Private | Unusable:
    """The private key, after asking for its passphrase when it has one."""
    fix = f"ssh-add {file}"
    passphrase: bytes | None = None
    for attempt in range(_TRIES + 1):
        try:
            key = _decrypt(data, passphrase)
        except TypeError:  # encrypted, and no passphrase given
            pass
        except ValueError as error:
            if passphrase is None:
                return Unusable(f"key {file}", f"cannot be read: {error}", f"ssh-keygen -y -f {file}")
        else:
            if isinstance(key, _Private):
                return key
            return Unusable(f"key {file}", "is of a type that devbox cannot use", fix)
        if attempt == _TRIES:
            break
        answer = ask.secret(f"Passphrase of {file}: ")
        if not answer:
            return Unusable(f"key {file}", "is encrypted and nobody gave its passphrase", fix)
        passphrase = answer.encode()
    return Unusable(f"key {file}", "is encrypted, and the passphrases given were wrong", fix)


def _decrypt(data: bytes, passphrase: bytes | None) -> object:
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        return load(data, passphrase)
    except ValueError as error:
        if passphrase is None and "encrypted" in str(error).lower():
            raise TypeError(str(error)) from error
        raise


def _as_paramiko(key: _Private) -> paramiko.PKey:
    """The same key as paramiko's object; the plain text exists in this process's memory only."""
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    kinds = (
        (rsa.RSAPrivateKey, paramiko.RSAKey),
        (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
        (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    )
    make = next(made for kind, made in kinds if isinstance(key, kind))
    return (
        make.from_private_key(io.StringIO(text))
        if make is not paramiko.Ed25519Key
        else make(file_obj=io.StringIO(text))
    )
