"""What is stale, and two ways of syncing at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devbox.config.model import Endpoint
from devbox.errors import DevboxError
from devbox.ports.check import Verdict
from devbox.pycharm import checks, render, store
from devbox.pycharm.facts import DOCKER, HOST, HOST_KEY, Answer, Asked
from devbox.pycharm.model import Python
from tests.pycharm.example import FACTS, VARIATIONS

KNOWN = Answer(
    "/home/dev", "1000:1000", Python("/usr/bin/python3", "3.11.2"), Python("/opt/python", "3.12.3")
)


def write(root: Path, facts: str) -> None:
    for change in store.plan(root, render.project(VARIATIONS[facts]), {}):
        store.apply(change)


@pytest.mark.parametrize(
    ("facts", "watching", "verdict"),
    [
        ("upload", True, Verdict.WARNING),
        ("upload", False, Verdict.OK),
        ("docker", True, Verdict.OK),
    ],
)
def test_upload_and_watch_together_are_warned_of(
    tmp_path: Path, facts: str, watching: bool, verdict: Verdict
) -> None:
    write(tmp_path, facts)
    check = checks.both_ways(tmp_path, lambda: watching)
    assert check.probe().verdict is verdict


@pytest.mark.parametrize(
    "text", [None, "<broken", "<project />", '<project><a autoUpload="Never" /></project>']
)
def test_upload_is_off_where_nothing_says_on(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".idea").mkdir()
        (tmp_path / ".idea/deployment.xml").write_text(text)
    assert not checks.uploads(tmp_path)


def test_what_the_remote_side_says_now_is_compared() -> None:
    moved = replace(KNOWN, container_python=Python("/opt/venv/bin/python", "3.13.0"), home="")
    said = dict(checks.remembered(moved, KNOWN, FACTS))
    assert said["host interpreter"].verdict is Verdict.OK
    assert said["remote home"].verdict is Verdict.WARNING
    assert said["image interpreter"].verdict is Verdict.FAILED
    assert "was /opt/python (3.12.3), is /opt/venv/bin/python (3.13.0)" in said["image interpreter"].evidence


def test_missing_certificates_and_keys_are_named(tmp_path: Path) -> None:
    for name in ("ca.pem", "cert.pem"):
        (tmp_path / name).touch()
    facts = replace(FACTS, certificates=str(tmp_path))
    said = dict(checks.files_named(facts))
    assert said["certificates"].evidence == f"key.pem missing in {tmp_path}"
    assert said["certificates"].fix == "devbox init dev@10.0.0.200"
    assert said["ssh key"].verdict is Verdict.FAILED
    assert "certificates" not in dict(checks.files_named(replace(facts, endpoint=Endpoint.SSH)))


def found(asked: Asked, facts: str = "docker") -> dict[str, tuple[Verdict, str]]:
    return {name: (one.verdict, one.fix) for name, one in checks.reached(asked, VARIATIONS[facts])}


def test_every_link_the_settings_rest_on_is_named() -> None:
    assert set(found(Asked(KNOWN))) == {"ssh host key", "mapping .", "Docker connection", "image"}
    assert {verdict for verdict, _ in found(Asked(KNOWN)).values()} == {Verdict.OK}
    assert set(found(Asked(KNOWN), "ssh")) == {"ssh host key", "mapping ."}
    assert set(found(Asked(KNOWN), "two folders")) >= {"mapping .", "mapping lib"}


def test_a_broken_link_is_found_and_what_comes_after_it_is_not_guessed() -> None:
    changed = DevboxError("has CHANGED", next_steps=["compare it"])
    assert found(Asked(troubles={HOST_KEY: changed})) == {"ssh host key": (Verdict.FAILED, "compare it")}
    refused = found(Asked(KNOWN, {DOCKER: DevboxError("refused")}))
    assert refused["Docker connection"] == (Verdict.FAILED, "devbox doctor")
    assert "image" not in refused
    away = found(Asked(troubles={HOST: DevboxError("does not answer")}))
    assert away == {"host": (Verdict.WARNING, "devbox doctor")}  # nothing is known to be stale


def test_a_remote_folder_that_is_not_there_is_found() -> None:
    asked = Asked(replace(KNOWN, absent=("/home/dev/devbox/shop",)))
    assert found(asked)["mapping ."] == (Verdict.FAILED, "devbox sync")
