"""The remote root and its staging folder: found, made, marked."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from devbox.adapters.roots import cannot_make, cannot_write, no_folder
from devbox.adapters.sftp import lock, parts, wire
from devbox.adapters.sftp.client import Client, Task
from devbox.adapters.sftp.lock import Lock
from devbox.adapters.sftp.places import Places, words
from devbox.ports.tree import STAGING, Kind, Owner, RootFacts

_TOKEN = b"root"
_PROBE = b"probe"


def expand(root: str, home: bytes) -> bytes:
    """The root as an absolute path; `~/` is where SFTP starts, which is the home folder."""
    path = root.encode(errors="surrogateescape")
    return posixpath.normpath(posixpath.join(home, path[2:]) if path.startswith(b"~/") else path)


def look(client: Client, places: Places, host: str) -> RootFacts:
    """What is there now, in two flights. Finds out as well which of the two staging places is in use."""
    inside = places.root + b"/" + STAGING.encode()
    exists, empty, tokens = client.one(_look(places.root, (places.staging, inside), host))
    token = b""
    for place, found in zip((places.staging, inside), tokens, strict=True):
        if found and not token:
            places.staging, token = place, found
    return RootFacts(_text(places.root), exists, empty, token)


def _look(root: bytes, stagings: tuple[bytes, ...], host: str) -> Task[tuple[bool, bool, list[bytes]]]:
    reading = [wire.open_file(place + b"/" + _TOKEN, wire.FOR_READING) for place in stagings]
    seen, listing, *opened = yield [wire.stat(root), wire.opendir(root), *reading]
    exists = bool(seen.entry and seen.entry.kind is Kind.DIRECTORY)
    if seen.ok and not exists:
        raise no_folder(_text(root), host)
    handles = [reply.blob for reply in (listing, *opened) if reply.ok]
    asked = [wire.readdir(listing.blob)] if listing.ok else []
    asked += [wire.read(reply.blob, 0, 256) for reply in opened if reply.ok]
    replies = list((yield [*asked, *map(wire.close, handles)]) if handles else [])
    names = replies.pop(0).names if listing.ok else ()
    empty = all(name in (b".", b"..") or name.startswith(STAGING.encode()) for name, _ in names)
    return exists, empty, [replies.pop(0).blob if reply.ok else b"" for reply in opened]


def prepare(client: Client, places: Places, token: bytes, host: str) -> None:
    """Make root and staging where they are missing, and mark them."""
    facts = look(client, places, host)
    if facts.exists and facts.token == token:
        return
    if not facts.exists:
        _make_folders(client, places, host)
    beside = _usable(client, places)
    if beside and not beside.ok:
        places.staging = places.root + b"/" + STAGING.encode()
        refused = _usable(client, places)
        if refused and not refused.ok:
            raise cannot_write(_text(places.root), _text(places.staging), host, words(refused))
    marked = client.one(_write(places.staging + b"/" + _TOKEN, token))
    if not marked.ok:
        raise cannot_write(_text(places.root), _text(places.staging), host, words(marked))


def enter_staging(client: Client, places: Places, owner: Owner | None, host: str) -> Lock | None:
    """Take the lock, then remove what an earlier session left half done, but for parts of large files."""
    opened, left = client.one(lock.enter(places.staging, owner))
    held = Lock(client, places.staging, owner, f"{host}:{_text(places.root)}") if owner else None
    if held and opened:
        held.keep(opened)
    places.parts = {name for name, entry in left.items() if parts.is_waiting(name, entry.mtime_ns)}
    gone = left.keys() - places.parts - {_TOKEN}
    client.one(_all([wire.remove(places.staging + b"/" + name) for name in gone]))
    return held


def _make_folders(client: Client, places: Places, host: str) -> None:
    names = places.root.strip(b"/").split(b"/")
    paths = [b"/" + b"/".join(names[:depth]) for depth in range(1, len(names) + 1)]
    found = client.one(_all([wire.stat(path) for path in paths]))
    for path, seen in zip(paths, found, strict=True):
        if seen.ok:
            continue
        made = client.ask(wire.mkdir(path, 0o755))
        if not made.ok:
            raise cannot_make(_text(places.root), _text(places.staging), host, words(made))


def _usable(client: Client, places: Places) -> wire.Reply | None:
    """The refusal when a file cannot be made in staging and renamed into the root; `None` when it can."""
    source = places.staging + b"/" + _PROBE
    target = places.root + b"/" + STAGING.encode() + b"-" + _PROBE
    # A run that was killed just here has left the target: rename would not go over it.
    client.one(_all([wire.mkdir(places.staging, 0o700), wire.remove(target)]))
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


def _all(requests: list[wire.Request]) -> Task[Sequence[wire.Reply]]:
    """Ask all of it at once."""
    return (yield requests) if requests else []


def _text(path: bytes) -> str:
    return path.decode(errors="replace")
