"""What a bug report must not carry, and what it must still say."""

from __future__ import annotations

import pytest

from devbox.doctor.redact import Redactor


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
        "password: hunter2",
        'API_KEY="hunter2 with blanks"',
        "AWS_SECRET_ACCESS_KEY=hunter2",
        '"token": "hunter2"',
        "Authorization: Bearer hunter2hunter2",
        "http://me:hunter2@proxy.example/",
    ],
)
def test_secrets_go(secret: str) -> None:
    left = Redactor().text(f"before {secret} after")
    assert "hunter2" not in left
    assert "b3Blbn" not in left
    assert left.startswith("before ")
    assert left.endswith(" after")


def test_addresses_and_names_become_the_same_placeholder_everywhere() -> None:
    hide = Redactor(["box.example", "dev"])
    text = "dev@box.example is 10.0.0.7; 10.0.0.7 and 10.0.0.8 and fe80::1 answer; devbox says so"
    assert hide.text(text) == (
        "<name 2>@<name 1> is <address 3>; <address 3> and <address 4> and <address 5> answer; devbox says so"
    )


def test_what_helps_stays() -> None:
    text = "at 12:34:56 port 2376 of 127.0.0.1 and ::1 refused; dockerd 20.10.24; SHA256:abc/def"
    assert Redactor(["root"]).text(text) == text


def test_values_of_the_users_own_are_taken_out_whole() -> None:
    config = {"name": "shop", "services": [{"environment": {"MODE": "hunter2"}, "args": {}}], "port": 2376}
    assert Redactor().data(config) == {
        "name": "shop",
        "services": [{"environment": {"MODE": "<hidden>"}, "args": {}}],
        "port": 2376,
    }
