"""What an engine's version says about known flaws."""

from __future__ import annotations

import pytest

from devbox.host.advisories import KNOWN, finding
from devbox.ports.check import Verdict


@pytest.mark.parametrize(
    ("version", "named", "not_named"),
    [
        ("26.1.4", {"CVE-2024-41110", "CVE-2025-54410"}, {"CVE-2024-29018", "CVE-2025-54388"}),
        ("26.1.5", {"CVE-2025-54410"}, {"CVE-2024-41110"}),
        # 24.0 never got a fix of its own for these.
        ("24.0.9", {"CVE-2024-41110", "CVE-2024-23653", "CVE-2024-29018"}, {"CVE-2024-24557"}),
        ("25.0.13", set(), {"CVE-2025-54410", "CVE-2024-41110"}),
        ("20.10.24", {"CVE-2024-24557"}, {"CVE-2023-28840", "CVE-2024-32473"}),
        ("28.2.2", {"CVE-2025-54388"}, {"CVE-2025-54410"}),
    ],
)
def test_what_stands_against_a_version(version: str, named: set[str], not_named: set[str]) -> None:
    found = finding(f"Docker version {version}, build abc1234")
    said = set(found.data["advisories"])
    assert named <= said
    assert not said & not_named
    assert found.verdict is (Verdict.WARNING if said else Verdict.OK)
    assert all(one in found.evidence for one in said)
    assert bool(found.fix) == bool(said)


def test_the_way_out_is_a_version_that_nothing_stands_against() -> None:
    fix = finding("Docker version 19.03.1, build abc").fix
    good = fix.partition(" to ")[2].split()[0]
    assert good == "28.0.0", "the first that has all of what 19.03 lacks"
    assert finding(f"Docker version {good}, build abc").verdict is Verdict.OK


def test_a_distributions_package_keeps_the_number_when_it_is_mended() -> None:
    found = finding("Docker version 20.10.24+dfsg1, build 5d6db84")
    assert found.verdict is Verdict.OK
    assert "distribution's package" in found.evidence
    assert "CVE-2024-41110" in found.data["advisories"]


def test_no_version_is_no_verdict() -> None:
    assert finding("dockerd: command not found").verdict is Verdict.SKIPPED


def test_every_entry_can_be_reached() -> None:
    for one in KNOWN:
        major, minor, patch = max(one.fixed)
        before = (major, minor, patch - 1) if patch else (major - 1, 99, 99)
        assert one.concerns(before) or before < one.since
        assert not any(one.concerns(good) for good in one.fixed)
