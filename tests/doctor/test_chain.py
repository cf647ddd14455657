"""The walk along the chain: its order, where it stops, what it says of the rest."""

from __future__ import annotations

import pytest

from devbox.doctor import local
from devbox.doctor.chain import Link, Section, break_in, walk
from devbox.errors import HostUnreachable
from devbox.ports.check import Check, Finding, Stage, Verdict


class Recorder:
    """Checks that note that they were looked at."""

    def __init__(self) -> None:
        self.looked_at: list[str] = []

    def check(self, name: str, stage: Stage, verdict: Verdict = Verdict.OK) -> Check:
        def probe() -> Finding:
            self.looked_at.append(name)
            return Finding(verdict, f"{name} is {verdict.value}", "the fix")

        return Check(name, stage, probe)


def section(*checks: Check) -> Section:
    return Section("section", Stage.NAME, lambda: checks)


def test_order_of_the_chain_and_stop_at_the_broken_link() -> None:
    recorder = Recorder()
    told: list[Link] = []
    links = walk(
        [
            section(
                recorder.check("app", Stage.APP),
                recorder.check("tls", Stage.TLS, Verdict.FAILED),
                recorder.check("name", Stage.NAME, Verdict.WARNING),
                recorder.check("ssh", Stage.SSH, Verdict.SKIPPED),
                recorder.check("certificate", Stage.TLS),
            )
        ],
        told.append,
    )
    assert [link.name for link in links] == ["name", "ssh", "tls", "certificate", "app"]
    assert recorder.looked_at == ["name", "ssh", "tls"]
    assert told == links
    assert [link.as_data()["verdict"] for link in links] == [
        "warning",
        "skipped",
        "failed",
        "not reached",
        "not reached",
    ]
    broken = break_in(links)
    assert broken is not None
    assert broken.name == "tls"


def test_nothing_broken() -> None:
    links = walk([section(Recorder().check("name", Stage.NAME))], lambda _: None)
    assert break_in(links) is None


def test_sections_after_a_break_are_not_even_made() -> None:
    recorder = Recorder()

    def unmakeable() -> list[Check]:
        raise HostUnreachable("nothing listens", next_steps=["start it"])

    links = walk(
        [
            section(recorder.check("name", Stage.NAME)),
            Section("daemon", Stage.DAEMON, unmakeable),
            Section("image", Stage.IMAGE, lambda: [recorder.check("image", Stage.IMAGE)]),
        ],
        lambda _: None,
    )
    assert [(link.name, link.as_data()["verdict"], link.as_data()["fix"]) for link in links] == [
        ("name", "ok", "the fix"),
        ("daemon", "failed", "start it"),
        ("image", "not reached", ""),
    ]
    assert recorder.looked_at == ["name"]


def _verdict(**environment: str) -> tuple[Verdict, str]:
    (check,) = local.checks(environment, "box")
    found = check.probe()
    return found.verdict, found.fix


def test_what_beats_the_docker_context() -> None:
    assert _verdict() == (Verdict.OK, "")
    assert _verdict(DOCKER_CONTEXT="box") == (Verdict.OK, "")
    assert _verdict(DOCKER_HOST="tcp://elsewhere:2375", DOCKER_CONTEXT="box") == (
        Verdict.WARNING,
        "unset DOCKER_HOST",
    )
    assert "unset DOCKER_CONTEXT" in _verdict(DOCKER_CONTEXT="other")[1]
    assert "DOCKER_CERT_PATH" in _verdict(DOCKER_CERT_PATH="/certificates")[1]


@pytest.mark.parametrize(
    ("environment", "hostname", "words"),
    [
        ({"HTTPS_PROXY": "http://p:3128"}, "10.0.0.200", "through that proxy"),
        ({"HTTPS_PROXY": "http://p:3128", "NO_PROXY": "10.0.0.0/24"}, "10.0.0.200", "no DOCKER_* variable"),
        (
            {"all_proxy": "http://p", "no_proxy": "a.org, .b.org"},
            "box.b.org",
            "no DOCKER_* variable",
        ),
        ({"https_proxy": "http://p", "NO_PROXY": "example.org"}, "badexample.org", "through that proxy"),
        ({"HTTPS_PROXY": "http://p:3128"}, "", "no DOCKER_* variable"),
        ({"REQUESTS_CA_BUNDLE": "/etc/corp.pem"}, "10.0.0.200", "not by its authority"),
    ],
)
def test_what_leads_dockers_clients_astray_is_named(
    environment: dict[str, str], hostname: str, words: str
) -> None:
    (check,) = local.checks(environment, "devbox-box", hostname)
    assert words in check.probe().evidence
