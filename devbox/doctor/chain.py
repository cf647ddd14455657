"""Walking the chain: sections in the order of the road, their checks by stage, to the first broken link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from devbox.errors import DevboxError
from devbox.ports.check import Check, Finding, Stage, Verdict


@dataclass(frozen=True, slots=True)
class Section:
    """Checks that exist only once the links before them hold: `make` may connect, ask, and raise."""

    name: str
    stage: Stage
    make: Callable[[], Iterable[Check]]


@dataclass(frozen=True, slots=True)
class Link:
    """One check and what it found; `None` when an earlier link was broken and it was not looked at."""

    name: str
    stage: Stage
    finding: Finding | None

    @property
    def broken(self) -> bool:
        return self.finding is not None and self.finding.verdict is Verdict.FAILED

    def as_data(self) -> dict[str, Any]:
        """The link as a member of a JSON document."""
        found = self.finding
        return {
            "name": self.name,
            "stage": self.stage.name.lower(),
            "verdict": found.verdict.value if found else "not reached",
            "evidence": found.evidence if found else "",
            "fix": found.fix if found else "",
            "data": dict(found.data) if found else {},
        }


def failure(error: DevboxError) -> Finding:
    """A stated failure as a finding."""
    evidence = f"{error.what}: {error.why}" if error.why else error.what
    return Finding(Verdict.FAILED, evidence, next(iter(error.next_steps), ""))


def walk(sections: Iterable[Section], tell: Callable[[Link], None]) -> list[Link]:
    """Run the sections in order, each one's checks by stage, and tell of each link as it is done."""
    links: list[Link] = []
    for section in sections:
        for check in _checks(section, cut=any(link.broken for link in links)):
            cut = any(link.broken for link in links)
            link = Link(check.name, check.stage, None if cut else _look(check))
            links.append(link)
            tell(link)
    return links


def _checks(section: Section, cut: bool) -> list[Check]:
    """The section's checks; one that stands for them all when they cannot be made, or need not be."""
    if cut:
        return [Check(section.name, section.stage, lambda: Finding(Verdict.SKIPPED, ""))]
    try:
        return sorted(section.make(), key=lambda one: one.stage.value)
    except DevboxError as error:
        finding = failure(error)
        return [Check(section.name, section.stage, lambda: finding)]


def _look(check: Check) -> Finding:
    try:
        return check.probe()
    except DevboxError as error:
        return failure(error)


def break_in(links: Sequence[Link]) -> Link | None:
    """The link that is broken, if one is."""
    return next((link for link in links if link.broken), None)
