"""What stands in folders of the host. What is reached over a link is not in the tree, but elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Client, Task
from devbox.adapters.sftp.places import Places
from devbox.ports.tree import Entry, Kind


def scan(client: Client, places: Places, directories: Iterable[bytes]) -> dict[bytes, Entry]:
    """What is directly in these folders; a link to a folder is none."""
    lines = {folder: _line(folder) for folder in directories}
    # Whether it is a link shows in the listing of the folder above; where that is not listed, it is asked.
    asked = {one for line in lines.values() for one in line if _parent(one) not in lines}
    found: dict[bytes, Entry] = {}
    for part in client.run([*(_look(places, one) for one in asked), *(_list(places, one) for one in lines)]):
        found.update(part)
    other = {path for path, entry in found.items() if entry.kind is not Kind.DIRECTORY}
    real = {folder for folder, line in lines.items() if other.isdisjoint(line)}
    return {path: entry for path, entry in found.items() if _parent(path) in real}


def _parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _line(folder: bytes) -> list[bytes]:
    """The folder and those above it, without the root."""
    line = []
    while folder:
        line.append(folder)
        folder = _parent(folder)
    return line


def _look(places: Places, path: bytes) -> Task[dict[bytes, Entry]]:
    (seen,) = yield [wire.lstat(places.at(path))]
    return {path: seen.entry} if seen.entry else {}


def _list(places: Places, directory: bytes) -> Task[dict[bytes, Entry]]:
    path = places.at(directory)
    (opened,) = yield [wire.opendir(path)]
    if not opened.ok:
        return {}
    names: list[tuple[bytes, Entry]] = []
    ahead, ended = 2, False
    while not ended:
        for reply in (yield [wire.readdir(opened.blob)] * ahead):
            ended = ended or not reply.ok
            names.extend(reply.names)
        ahead = min(ahead * 2, 16)
    yield [wire.close(opened.blob)]
    prefix = directory + b"/" if directory else b""
    found = {prefix + name: entry for name, entry in names if name not in (b".", b"..")}
    links = [name for name, entry in found.items() if entry.kind is Kind.LINK]
    replies = (yield [wire.readlink(places.at(name)) for name in links]) if links else []
    for name, reply in zip(links, replies, strict=True):
        found[name] = found[name]._replace(target=reply.names[0][0] if reply.names else b"")
    return found
