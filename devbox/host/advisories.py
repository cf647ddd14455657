"""Security advisories of the Docker Engine that an engine's version alone can tell.

Sources: https://github.com/moby/moby/security/advisories and the release notes of each version named here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from devbox.ports.check import Finding, Verdict

Version = tuple[int, int, int]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# Debian and its children repack the source; what they mend keeps the upstream number.
_REPACKED = re.compile(r"\+dfsg|ubuntu|\+deb")


@dataclass(frozen=True, slots=True)
class Advisory:
    """`fixed` names the first good version of each series that got one; every later series is good."""

    id: str
    what: str
    fixed: tuple[Version, ...]
    since: Version = (0, 0, 0)

    def concerns(self, engine: Version) -> bool:
        """Whether this version has the flaw."""
        if engine < self.since or engine >= max(self.fixed):
            return False
        return not any(engine[:2] == good[:2] and engine >= good for good in self.fixed)


KNOWN = (
    Advisory("CVE-2021-41091", "data folders that every local user can enter", ((20, 10, 9),)),
    Advisory("CVE-2022-36109", "supplementary groups of a container's user", ((20, 10, 18),)),
    Advisory("CVE-2023-28840", "encrypted swarm networks", ((20, 10, 24), (23, 0, 3))),
    Advisory("CVE-2024-23653", "a build step that leaves its sandbox (BuildKit)", ((25, 0, 2),)),
    Advisory("CVE-2024-24557", "poisoned cache of the classic builder", ((24, 0, 9), (25, 0, 2))),
    Advisory(
        "CVE-2024-29018", "names that leak out of internal networks", ((23, 0, 11), (25, 0, 5), (26, 0, 0))
    ),
    Advisory("CVE-2024-32473", "IPv6 on networks without it", ((26, 0, 2),), since=(26, 0, 0)),
    Advisory(
        "CVE-2024-41110",
        "authorization plugins that can be bypassed",
        ((23, 0, 15), (25, 0, 6), (26, 1, 5), (27, 1, 1)),
    ),
    Advisory("CVE-2025-54410", "firewalld's reload opens bridge networks", ((25, 0, 13), (28, 0, 0))),
    Advisory(
        "CVE-2025-54388",
        "firewalld's reload opens ports published on loopback",
        ((28, 3, 3),),
        since=(28, 2, 0),
    ),
)


def parsed(words: str) -> Version | None:
    """The version in what `dockerd --version` says; None when there is none."""
    found = _VERSION.search(words)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def finding(words: str) -> Finding:
    """What is known against the engine that calls itself so."""
    engine = parsed(words)
    if engine is None:
        return Finding(Verdict.SKIPPED, f"no version in {words!r}")
    name = ".".join(map(str, engine))
    against = [one for one in KNOWN if one.concerns(engine)]
    data = {"version": name, "advisories": [one.id for one in against]}
    if not against:
        return Finding(Verdict.OK, f"{name}: nothing known to this devbox against it", data=data)
    if _REPACKED.search(words):
        evidence = f"{name}, the distribution's package: its fixes come as updates that keep the number"
        return Finding(Verdict.OK, evidence, data=data)
    named = "; ".join(f"{one.id} ({one.what})" for one in against)
    good = ".".join(map(str, max(max(one.fixed) for one in against)))
    fix = f"update Docker on the host to {good} or later, from where it was installed"
    return Finding(Verdict.WARNING, f"{name} is known for {named}", fix, data)
