"""Walking the chain: checks in the order of their stages, up to the first broken link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from devbox.ports.check import Check, Finding, Verdict


@dataclass(frozen=True, slots=True)
class Link:
    """One check and what it found; `None` when an earlier link was broken and it was not looked at."""

    check: Check
    finding: Finding | None

    @property
    def broken(self) -> bool:
        return self.finding is not None and self.finding.verdict is Verdict.FAILED

    def as_data(self) -> dict[str, Any]:
        """The link as a member of a JSON document."""
        found = self.finding
        return {
            "name": self.check.name,
            "stage": self.check.stage.name.lower(),
            "verdict": found.verdict.value if found else "not reached",
            "evidence": found.evidence if found else "",
            "fix": found.fix if found else "",
            "data": dict(found.data) if found else {},
        }


def walk(checks: Iterable[Check], tell: Callable[[Link], None]) -> list[Link]:
    """Run the checks in the chain's order (those of one stage as given) and tell of each as it is done."""
    links: list[Link] = []
    cut = False
    for check in sorted(checks, key=lambda one: one.stage.value):
        link = Link(check, None if cut else check.probe())
        cut = cut or link.broken
        links.append(link)
        tell(link)
    return links


def break_in(links: Sequence[Link]) -> Link | None:
    """The link that is broken, if one is."""
    return next((link for link in links if link.broken), None)
