"""The remote root and its staging folder: found, made, marked."""

from __future__ import annotations

import posixpath
import shlex

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Client, Task
from devbox.adapters.sftp.puts import Places, words
from devbox.errors import HostError
from devbox.ports.tree import STAGING, Kind, RootFacts

_TOKEN = b"root"
_PROBE = b"probe"


def expand(client: Client, root: str) -> bytes:
    """The root as an absolute path; `~/` is where SFTP starts, which is the home folder."""
    path = root.encode(errors="surrogateescape")
    if path.startswith(b"~/"):
        home = client.ask(wire.realpath(b"."))
        start = home.names[0][0] if home.names else b"."
        path = posixpath.join(start, path[2:])
    return posixpath.normpath(path)


def look(client: Client, places: Places) -> RootFacts:
    """What is there now. Finds out as well which of the two staging places is in use."""
    seen = client.ask(wire.stat(places.root))
    exists = bool(seen.entry and seen.entry.kind is Kind.DIRECTORY)
    if seen.ok and not exists:
        raise HostError("the remote root is not a folder", where=_text(places.root))
    inside = places.root + b"/" + STAGING.encode()
    token = b""
    for place in (places.staging, inside):
        token = client.one(_read_token(place))
        if token:
            places.staging = place
            break
    empty = not exists or client.one(_is_empty(places.root))
    return RootFacts(_text(places.root), exists, empty, token)


def prepare(client: Client, places: Places, token: bytes, host: str) -> None:
    """Make root and staging where they are missing, and mark them."""
    _make_folders(client, places, host)
    if client.one(_read_token(places.staging)) == token:
        return
    beside = _usable(client, places)
    if beside and not beside.ok:
        places.staging = places.root + b"/" + STAGING.encode()
        refused = _usable(client, places)
        if refused and not refused.ok:
            raise HostError(
                "the remote root cannot be written to",
                where=f"{host}:{_text(places.root)}",
                why=words(refused),
                next_steps=[_command(places, host)],
            )
    client.one(_write(places.staging + b"/" + _TOKEN, token))


def clear_staging(client: Client, places: Places) -> None:
    """Remove what an earlier session left half done."""
    names = client.one(_names(places.staging))
    client.one(_remove_all([places.staging + b"/" + name for name in names if name != _TOKEN]))


def _make_folders(client: Client, places: Places, host: str) -> None:
    parts = places.root.strip(b"/").split(b"/")
    for depth in range(1, len(parts) + 1):
        path = b"/" + b"/".join(parts[:depth])
        if client.ask(wire.stat(path)).ok:
            continue
        made = client.ask(wire.mkdir(path, 0o755))
        if not made.ok:
            raise HostError(
                "the remote root does not exist and cannot be made by this user",
                where=f"{host}:{_text(places.root)}",
                why=words(made),
                next_steps=[_command(places, host)],
            )


def _command(places: Places, host: str) -> str:
    """The exact line that makes root and staging for the SSH user."""
    folders = f"{shlex.quote(_text(places.root))} {shlex.quote(_text(places.staging))}"
    if places.staging.startswith(places.root + b"/"):
        folders = shlex.quote(_text(places.root))
    return f'ssh {host} \'sudo install -d -o "$(id -u)" -g "$(id -g)" {folders}\''


def _usable(client: Client, places: Places) -> wire.Reply | None:
    """The refusal when a file cannot be made in staging and renamed into the root; `None` when it can."""
    client.ask(wire.mkdir(places.staging, 0o700))
    source = places.staging + b"/" + _PROBE
    target = places.root + b"/" + STAGING.encode() + b"-" + _PROBE
    made = client.one(_write(source, b""))
    if not made.ok:
        return made
    renamed = client.ask(wire.rename(source, target))
    client.ask(wire.remove(target if renamed.ok else source))
    return None if renamed.ok else renamed


def _write(path: bytes, data: bytes) -> Task[wire.Reply]:
    flags = wire.FOR_WRITING | wire.CREATE | wire.TRUNCATE
    (opened,) = yield [wire.open_file(path, flags, 0o600)]
    if not opened.ok:
        return opened
    written, closed = yield [wire.write(opened.blob, 0, data), wire.close(opened.blob)]
    return written if not written.ok else closed


def _read_token(staging: bytes) -> Task[bytes]:
    (opened,) = yield [wire.open_file(staging + b"/" + _TOKEN, wire.FOR_READING)]
    if not opened.ok:
        return b""
    data, _closed = yield [wire.read(opened.blob, 0, 256), wire.close(opened.blob)]
    return data.blob


def _names(path: bytes) -> Task[list[bytes]]:
    (opened,) = yield [wire.opendir(path)]
    names: list[bytes] = []
    if not opened.ok:
        return names
    while True:
        (reply,) = yield [wire.readdir(opened.blob)]
        if not reply.ok:
            break
        names.extend(name for name, _ in reply.names if name not in (b".", b".."))
    yield [wire.close(opened.blob)]
    return names


def _is_empty(path: bytes) -> Task[bool]:
    names = yield from _names(path)
    return not any(not name.startswith(STAGING.encode()) for name in names)


def _remove_all(paths: list[bytes]) -> Task[None]:
    if paths:
        yield [wire.remove(path) for path in paths]


def _text(path: bytes) -> str:
    return path.decode(errors="replace")
