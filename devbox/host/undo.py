"""Putting a host back as it was: a plan from the manifest, careful of what others changed since. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from devbox.host import manifest, secure
from devbox.host.manifest import Manifest, Owned
from devbox.host.model import DAEMON_JSON, DROP_INS, FOLDER, MANIFEST, Change, Facts, Plan, Refusal, Wish

SERVICE = "docker.service"


def make(facts: Facts, wish: Wish) -> Plan:
    """The plan that undoes every plan carried out on the host; empty where nothing was."""
    known = manifest.read(facts)
    if known is None:
        return Plan()
    if not facts.as_root:
        return Plan(refusals=(Refusal(f"{facts.user} is not root on the host", "and has no sudo"),))
    touched = tuple(_touched(known.files, facts, wish))
    if touched:
        return Plan(refusals=touched)
    changes = [change for one in reversed(known.files) for change in _back(one, facts)]
    changes.append(Change(MANIFEST, None, facts.files[MANIFEST], 0o600))
    restart = any(change.path != MANIFEST for change in changes)
    rests = SERVICE in known.resting and not facts.containers
    stopping = () if facts.engine.live_restore or not restart else facts.containers
    return Plan(
        changes=tuple(changes),
        emptied=(FOLDER, DROP_INS),
        restart=restart,
        stop_socket=any(change.path.endswith(".socket") for change in changes),
        resting=known.resting if rests else (),
        stopping=tuple(stopping[one] or one[:12] for one in stopping) if stopping else (),
        warnings=tuple(_remaining(known, facts)),
    )


def _touched(files: tuple[Owned, ...], facts: Facts, wish: Wish) -> Iterator[Refusal]:
    """Files that are no longer what devbox left: somebody's work, not ours to throw away."""
    for one in files:
        file = facts.files.get(one.path)
        now = file.sum if file else None
        if not one.keep and now is not None and now != one.sha256:
            yield Refusal(
                f"{one.path} was changed after devbox wrote it",
                "reset would throw that change away",
                (
                    f"on the host: sudo cat {one.path}   (and take the change out, or the file away)",
                    f"devbox host reset   (again, for {wish.host})",
                ),
            )


def _back(one: Owned, facts: Facts) -> Iterator[Change]:
    file = facts.files.get(one.path)
    if one.keep:
        if one.path == DAEMON_JSON and (change := secure.with_local_hosts(one, facts)):
            yield change
        return
    if file is None and one.old is None:
        return
    if one.old is None:
        yield Change(one.path, None, file, secret=one.path.endswith("key.pem"))
    else:
        yield Change(one.path, one.old.content or b"", file, one.old.mode)


def _remaining(known: Manifest, facts: Facts) -> Iterator[str]:
    for one in known.files:
        if one.keep:
            yield f"{one.path} does not get back what opened a root port to everybody"
    if SERVICE in known.resting and facts.containers:
        yield f"{SERVICE} did not run before devbox, and is left running for the containers that run now"
