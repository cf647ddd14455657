"""Symbolic links over SFTP. Which of SYMLINK's two names becomes the link depends on the server.

The specification says the first; OpenSSH's server makes the second one, most others do as it does, and some
guess from how the client introduces itself. Guessed wrong, a link of the target's name appears somewhere
outside the tree. So a session finds out before its first link, with two names that are both in staging; and
every link is read back in staging before it is renamed into place.
"""

from __future__ import annotations

from devbox.adapters.sftp import wire
from devbox.adapters.sftp.client import Task
from devbox.adapters.sftp.places import Places, failed
from devbox.adapters.sftp.puts import into_place
from devbox.ports.tree import Entry, Kind, Outcome, PutLink, Result


def find_order(places: Places) -> Task[None]:
    """Learn which name this server makes the link; it stays unknown where the server makes none."""
    first, second = places.staged(), places.staged()
    # Each flight is waited for: servers may do what is under way together in any order.
    yield [wire.symlink(first, second)]
    seen = yield [wire.lstat(first), wire.lstat(second)]
    for place, reply in zip((first, second), seen, strict=True):
        if reply.entry and reply.entry.kind is Kind.LINK:
            places.link_first = place == first
            yield [wire.remove(place)]


def put_link(places: Places, operation: PutLink) -> Task[Outcome]:
    """Stage the link, read it back, look what stands in its place, rename over it."""
    if places.link_first is None:
        return Outcome(operation, Result.FAILED, why="the server makes no symbolic links")
    name = places.staged()
    names = (name, operation.target) if places.link_first else (operation.target, name)
    made, found = yield [wire.symlink(*names), wire.lstat(places.at(operation.path))]
    if not made.ok:
        return failed(operation, made)
    (read,) = yield [wire.readlink(name)]
    target = read.names[0][0] if read.names else b""
    if target == operation.target:
        done = Outcome(operation, Result.DONE, Entry(Kind.LINK, target=target, coarse=True))
        outcome = yield from into_place(places, operation, name, found, done)
    else:
        shown = target.decode(errors="replace") or "nothing"
        outcome = Outcome(operation, Result.FAILED, why=f"the server made a link to {shown} of it")
    if outcome.result is not Result.DONE:
        yield [wire.remove(name)]
    return outcome
