"""What the steps of preparing a host hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devbox.host.model import Facts, Plan, ServerFiles, Wish
from devbox.host.pki import Pair
from devbox.host.store import Store
from devbox.ports.events import Emit
from devbox.ports.host import Host
from devbox.ports.probe import Probe


@dataclass(frozen=True, slots=True)
class Material:
    """The certificates of one run. `server` is `None` when those there are good; `saved`: kept already."""

    authority: Pair
    client: Pair
    server: ServerFiles | None
    fingerprint: str
    saved: bool
    former: str = ""
    """The fingerprint of the authority that this one replaces; until proved it is kept apart."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Facts, the plan made from them, and the certificates it would use (`None`: it undoes)."""

    facts: Facts
    wish: Wish
    plan: Plan
    material: Material | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What every step needs: the host, what is kept here about it, the way to knock, and who listens."""

    host: Host
    store: Store
    probe: Probe
    emit: Emit
    now: Callable[[], float]
