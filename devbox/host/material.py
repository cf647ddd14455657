"""Which certificates a run uses: those kept here and on the host while they are good, new ones where not."""

from __future__ import annotations

from enum import Enum

from devbox.config.model import Endpoint
from devbox.host import manifest, pki
from devbox.host.model import CA, CERT, KEY, Facts, ServerFiles, Wish
from devbox.host.pki import RENEW_DAYS, Pair, Use
from devbox.host.room import Material, Room
from devbox.host.store import NEXT, Store


class Renew(Enum):
    """What to make anew: what has to be, the leaf certificates, or the authority with everything."""

    NEEDED = "needed"
    LEAVES = "leaves"
    ALL = "all"


def make(room: Room, facts: Facts, wish: Wish, renew: Renew = Renew.NEEDED) -> Material:
    """The certificates for this host; nothing is written. New ones are valid on both clocks."""
    now = room.now()
    there = facts.clock or now
    kept = room.store.pair("authority")
    fresh = kept is None or renew is Renew.ALL
    authority = pki.new_authority(room.store.host, now, there) if kept is None or fresh else kept
    client = room.store.pair("client")
    good = (
        client is not None
        and renew is Renew.NEEDED
        and pki.issued_by(client.cert, authority.cert)
        and all(_fresh(client.cert, clock) for clock in (now, there))
    )
    if client is None or not good:
        client = pki.issue(authority, Use.CLIENT, wish.owner, now, other=there)
    server = None
    if wish.endpoint is not Endpoint.SSH and (
        renew is not Renew.NEEDED or lacking(facts, wish, authority.cert, now)
    ):
        server = _server(authority, facts, wish, now)
    former = pki.fingerprint(kept.cert) if kept is not None and fresh else ""
    return Material(authority, client, server, pki.fingerprint(authority.cert), good, former)


def keep(store: Store, made: Material) -> None:
    """Keep what is new; before the host is touched, so that nothing there outlives our keys."""
    if not made.saved:
        place = NEXT if made.former else ""
        store.save_pair("authority", made.authority, place)
        store.save_pair("client", made.client, place)


def lacking(facts: Facts, wish: Wish, authority: bytes, now: float) -> str:
    """Why the daemon's certificate on the host is no longer good, "" when it is."""
    ca, cert, key = (facts.files.get(path) for path in (CA, CERT, KEY))
    if ca is None or cert is None or key is None or cert.content is None:
        return "it has none"
    known = manifest.read(facts)
    sent = known.of(KEY) if known else None
    if ca.content != authority or sent is None or sent.sha256 != key.sum:
        return "its files are not those that were sent"
    if not _readable(cert.content) or not pki.issued_by(cert.content, authority):
        return "its certificate is not of our authority"
    if pki.days_left(cert.content, now) <= RENEW_DAYS:
        return "its certificate expires soon"
    if pki.early(cert.content, now):
        return "its certificate is not valid yet"
    missing = {pki.normal_name(name) for name in wish.names} - pki.names_of(cert.content)
    return f"its certificate lacks {', '.join(sorted(missing))}" if missing else ""


def _fresh(cert: bytes, now: float) -> bool:
    return pki.days_left(cert, now) > RENEW_DAYS and not pki.early(cert, now)


def _readable(cert: bytes) -> bool:
    try:
        pki.serial(cert)
    except ValueError:
        return False
    return True


def _server(authority: Pair, facts: Facts, wish: Wish, now: float) -> ServerFiles:
    """A certificate for every name and address under which the host may be called."""
    own = [facts.hostname, facts.fqdn, *facts.addresses]
    names = [*wish.names, *own, "localhost", "127.0.0.1", "::1"]
    plain = [pki.normal_name(name) for name in names if name and _fits(name)]
    pair = pki.issue(
        authority, Use.SERVER, wish.names[0] if wish.names else facts.hostname, now, plain, facts.clock or now
    )
    return ServerFiles(authority.cert, pair.cert, pair.key)


def _fits(name: str) -> bool:
    """Whether a certificate can hold the name: aliases of ~/.ssh/config may be anything."""
    return name.isascii() and not any(character in name for character in " /%_@")
