"""What the facts of a host are made of. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit: its file, its drop-ins and environment files in the order of systemd, and its state."""

    load_state: str = "not-found"
    active_state: str = "inactive"
    file_state: str = ""
    """Whether it is started at boot: `enabled`, `disabled` and further words of systemd's."""
    fragment: str = ""
    drop_ins: tuple[str, ...] = ()
    environment_files: tuple[str, ...] = ()
    main_pid: int = 0
    triggered_by: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.load_state == "loaded"

    @property
    def rests(self) -> bool:
        """Whether it does not run, and is not about to."""
        return self.active_state in ("inactive", "failed")


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket and the program behind it ("" when it could not be seen)."""

    address: str
    port: int
    program: str = ""
    pid: int = 0

    @property
    def loopback(self) -> bool:
        return self.address.startswith("127.") or self.address in ("::1", "::ffff:127.0.0.1")


@dataclass(frozen=True, slots=True)
class Root:
    """A remote root or staging folder, absolute. `state`: `absent`, `other`, or the owner's uid."""

    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Engine:
    """What the daemon says about itself through its Unix socket; empty when nobody could ask."""

    id: str = ""
    version: str = ""
    live_restore: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction on the host that was begun and not yet proved. `started` in seconds since the epoch."""

    id: str
    owner: str
    client: str = ""
    started: int = 0
