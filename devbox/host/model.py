"""The nouns: what is found on a host, what is wanted of it, what will be done about the difference. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from devbox.config.model import Endpoint
from devbox.host.parts import Engine, Listener, Pending, Root, Unit

FOLDER = "/etc/docker/devbox"
MANIFEST = f"{FOLDER}/manifest.json"
CA, CERT, KEY = f"{FOLDER}/ca.pem", f"{FOLDER}/cert.pem", f"{FOLDER}/key.pem"
DEADLINE = 180
DAEMON_JSON = "/etc/docker/daemon.json"
DROP_INS = "/etc/systemd/system/docker.service.d"
DROP_IN_NAMES = ("50-devbox.conf", "zz-devbox.conf")
"""The second is for hosts where another drop-in sorts after the first and would undo it."""


def digest(data: bytes) -> str:
    """SHA-256 in hex, as `sha256sum` says it."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class File:
    """A file as it stands on the host. `content` is `None` when it could not be read or must not travel."""

    path: str
    mode: int = 0o644
    owner: str = "0:0"
    content: bytes | None = b""
    sha256: str = ""

    @property
    def text(self) -> str:
        return (self.content or b"").decode("utf-8", errors="replace")

    @property
    def sum(self) -> str:
        """The content's SHA-256, known even for secrets."""
        return self.sha256 or digest(self.content or b"")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a plan is made from, read in one round trip."""

    user: str
    uid: int
    gid: int
    home: str
    as_root: bool = False
    no_root: str = ""
    """Why these facts were read without root, in sudo's words."""
    clock: int = 0
    hostname: str = ""
    fqdn: str = ""
    init: str = ""
    systemd: int = 0
    os: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    dockerd: str = ""
    dockerd_version: str = ""
    shims: tuple[str, ...] = ()
    socket: str = ""
    socket_open: bool = False
    service: Unit = field(default_factory=Unit)
    socket_unit: Unit = field(default_factory=Unit)
    files: Mapping[str, File] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)
    containers: Mapping[str, str] = field(default_factory=dict)
    """Running containers: id to name ("" where only the id could be seen)."""
    listeners: tuple[Listener, ...] = ()
    firewalls: tuple[str, ...] = ()
    nft_chains: tuple[tuple[str, str, str], ...] = ()
    """Input chains of nftables that drop what they do not know: family, table, name."""
    client: str = ""
    """This machine's address as the host sees it, through SSH."""
    disk_free: int = -1
    """Bytes for images, -1 when unknown."""
    roots: tuple[Root, ...] = ()
    pending: Pending | None = None
    last: Mapping[str, str] = field(default_factory=dict)
    """How the last transaction on this host ended: `id`, `owner`, `client`, `result`, `at`, `why`."""

    @property
    def distribution(self) -> str:
        return self.os.get("PRETTY_NAME") or self.os.get("ID") or "an unknown system"

    @property
    def asleep(self) -> bool:
        """Whether dockerd does not run, and starts by itself when its socket is used."""
        return self.service.active_state == "inactive" and self.socket_unit.active_state == "active"

    @property
    def resting(self) -> tuple[str, ...]:
        """Those of Docker's units that do not run now."""
        units = {"docker.service": self.service, "docker.socket": self.socket_unit}
        return tuple(name for name, unit in units.items() if unit.rests)

    def listening(self, port: int) -> tuple[Listener, ...]:
        return tuple(one for one in self.listeners if one.port == port)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the host. `names` are the certificate's; `roots` are as written, `~` allowed.

    `authority` names our certificate authority (its fingerprint), `owner` this person at this machine, and
    `client` the machine itself: two may have one name.
    """

    endpoint: Endpoint = Endpoint.TLS
    port: int = 2376
    names: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    authority: str = ""
    former: str = ""
    """The authority that ours replaces, when it does."""
    owner: str = ""
    client: str = ""
    host: str = ""
    """The host as the user types it, for the commands that messages suggest."""
    open_firewall: bool = False
    sources: tuple[str, ...] = ()
    """Addresses and networks to be let through the host's firewall; none: this machine."""
    deadline: int = DEADLINE
    """Seconds from arming to the return of the old state, when nobody proves the new one."""
    by_hand: bool = False
    """Somebody who is root there carries the plan out: that we are not is no obstacle."""

    def owns(self, owner: str, client: str) -> bool:
        """Whether a transaction that says this of itself was begun from here."""
        return client == self.client if client else owner == self.owner


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """What the daemon needs to show itself; the key is the only secret that travels."""

    ca: bytes
    cert: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One file: what it will be (`None`: gone) in place of what it is (`None`: absent).

    `keep`: not taken back by `reset`, because the old state was an open root port.
    """

    path: str
    new: bytes | None
    old: File | None = None
    mode: int = 0o644
    secret: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to make, with the ancestors that are missing."""

    path: str
    mode: int = 0o755
    owner: str = "0:0"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, as data. With `refusals` nothing will."""

    changes: tuple[Change, ...] = ()
    folders: tuple[Folder, ...] = ()
    restart: bool = False
    emptied: tuple[str, ...] = ()
    """Folders of ours to take away where nothing is left in them."""
    stop_socket: bool = False
    """The socket unit changes too: both units are stopped and started."""
    resting: tuple[str, ...] = ()
    """Units that did not run before devbox: they are stopped in place of the restart."""
    arguments: tuple[str, ...] = ()
    """dockerd's effective command line, for `dockerd --validate`."""
    stopping: tuple[str, ...] = ()
    """Containers that the restart stops (and devbox starts again)."""
    warnings: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.changes or self.folders or self.restart or self.refusals)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing will be done, and what gets the user further."""

    what: str
    why: str = ""
    next: tuple[str, ...] = ()
