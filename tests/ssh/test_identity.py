"""Who is who: known_hosts and keys, against real servers, and each refusal in its own words."""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import connect
from devbox.errors import AuthError, HostKeyError
from tests.contracts.host import eventually
from tests.ssh.answers import Answers, works
from tests.ssh.sshd import Sshd, keygen, sshd

Write = Callable[[str], Path]


class TestHostKeys:
    def test_unknown_is_refused_with_its_fingerprint(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        server.known_hosts.write_text("")
        with pytest.raises(HostKeyError, match=re.escape(_fingerprint(server))):
            connect("box")
        assert server.known_hosts.read_text() == ""

    def test_unknown_is_asked_and_remembered(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        server.known_hosts.write_text("other ssh-ed25519 AAAA")  # no newline at its end
        ask = Answers(yes=True)
        assert works(connect("box", ask))
        assert _fingerprint(server) in ask.asked[0]
        assert server.known_hosts.read_text() == (
            f"other ssh-ed25519 AAAA\n{server.known_as} {server.public_host_key()}\n"
        )
        assert works(connect("box"))

    def test_no_means_no(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        server.known_hosts.write_text("")
        with pytest.raises(HostKeyError):
            connect("box", Answers(yes=False))
        assert server.known_hosts.read_text() == ""

    def test_changed_is_a_hard_stop(self, server: Sshd, use_config: Write, tmp_path: Path) -> None:
        use_config(server.stanza("box"))
        other = keygen(tmp_path / "other").with_name("other.pub").read_text()
        server.known_hosts.write_text(f"{server.known_as} {other}")
        ask = Answers(yes=True)
        with pytest.raises(HostKeyError, match="CHANGED") as caught:
            connect("box", ask)
        assert ask.asked == []
        assert _fingerprint(server) in caught.value.why
        assert _fingerprint_of(tmp_path / "other.pub") in caught.value.why
        assert any(f"ssh-keygen -R '{server.known_as}'" in step for step in caught.value.next_steps)

    def test_revoked(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        server.know()
        with server.known_hosts.open("a") as file:
            file.write(f"@revoked * {server.public_host_key()}\n")
        with pytest.raises(HostKeyError, match="revoked"):
            connect("box", Answers(yes=True))

    def test_hashed_names_and_patterns(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        salt = b"0123456789abcdefghij"
        digest = hmac.new(salt, server.known_as.encode(), hashlib.sha1).digest()
        hashed = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
        for name in (hashed, f"*.example,[127.0.0.?]:{server.port}"):
            server.known_hosts.write_text(f"{name} {server.public_host_key()}\n")
            assert works(connect("box"))
        server.known_hosts.write_text(f"[127.0.0.*]:*,!{server.known_as} {server.public_host_key()}\n")
        with pytest.raises(HostKeyError, match="not known"):
            connect("box")

    def test_alias_of_the_key(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box", "HostKeyAlias the-box"))
        server.known_hosts.write_text(f"the-box {server.public_host_key()}\n")
        assert works(connect("box"))

    def test_the_known_kind_of_key_is_asked_for(self, tmp_path: Path, use_config: Write) -> None:
        rsa = keygen(tmp_path / "rsa", "rsa")
        with sshd(tmp_path / "two", [f"HostKey {rsa}"]) as server:
            use_config(server.stanza("box"))
            server.known_hosts.write_text(f"{server.known_as} {(tmp_path / 'rsa.pub').read_text()}")
            assert works(connect("box"))


def _fingerprint(server: Sshd) -> str:
    return _fingerprint_of(server.folder / "host_key.pub")


def _fingerprint_of(public: Path) -> str:
    said = subprocess.run(["ssh-keygen", "-lf", public], check=True, capture_output=True, text=True)
    return said.stdout.split()[1]


class TestAuthentication:
    def test_wrong_key(self, server: Sshd, use_config: Write, tmp_path: Path) -> None:
        other = keygen(tmp_path / "other")
        use_config(server.stanza("box", f"IdentityFile {other}"))
        (server.folder / "authorized_keys").write_text("")
        with pytest.raises(AuthError) as caught:
            connect("box")
        assert f"key {other} (refused)" in caught.value.why
        assert f"key {server.user_key} (refused)" in caught.value.why
        assert "publickey" in caught.value.why

    def test_no_key_at_all(self, shared: Sshd, use_config: Write) -> None:
        stanza = shared.stanza("box").replace(str(shared.user_key), "/nonexistent")
        use_config(stanza)
        with pytest.raises(AuthError, match="no key was found"):
            connect("box")

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
    def test_kinds_of_keys(self, server: Sshd, use_config: Write, tmp_path: Path, kind: str) -> None:
        key = keygen(tmp_path / "key", kind)
        server.authorize(tmp_path / "key.pub")
        use_config(server.stanza("box").replace(str(server.user_key), str(key)))
        assert works(connect("box"))

    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_encrypted_key(self, server: Sshd, use_config: Write, tmp_path: Path, kind: str) -> None:
        key = keygen(tmp_path / "key", kind, passphrase="open sesame")
        server.authorize(tmp_path / "key.pub")
        use_config(server.stanza("box").replace(str(server.user_key), str(key)))
        ask = Answers(["wrong", "open sesame"])
        assert works(connect("box", ask))
        assert ask.asked == [f"Passphrase of {key}: "] * 2
        with pytest.raises(AuthError, match="nobody gave its passphrase") as caught:
            connect("box")
        assert caught.value.next_steps[0] == f"ssh-add {key}"

    def test_certificate(self, server: Sshd, use_config: Write, tmp_path: Path) -> None:
        authority, key = keygen(tmp_path / "ca"), keygen(tmp_path / "key")
        _sign(authority, key)
        entry = f"cert-authority {(tmp_path / 'ca.pub').read_text()}"
        (server.folder / "authorized_keys").write_text(entry)
        use_config(server.stanza("box").replace(str(server.user_key), str(key)))
        assert works(connect("box"))

    def test_agent(self, server: Sshd, use_config: Write, tmp_path: Path, agent: str) -> None:
        key = keygen(tmp_path / "key", passphrase="", comment="of the agent")
        server.authorize(tmp_path / "key.pub")
        subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": agent})
        key.unlink()  # only the agent has it; its .pub is how IdentitiesOnly names it
        stanza = server.stanza("box", f"IdentityAgent {agent}").replace(str(server.user_key), f"{key}.pub")
        use_config(stanza)
        assert works(connect("box"))

    def test_identities_only_keeps_the_agents_other_keys_back(
        self, server: Sshd, use_config: Write, tmp_path: Path, agent: str
    ) -> None:
        key = keygen(tmp_path / "key")
        server.authorize(tmp_path / "key.pub")
        subprocess.run(["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": agent})
        stanza = server.stanza("box", f"IdentityAgent {agent}").replace(str(server.user_key), "/nonexistent")
        use_config(stanza)
        with pytest.raises(AuthError, match="no key was found"):
            connect("box")
        use_config(stanza.replace("IdentitiesOnly yes", "IdentitiesOnly no"))
        assert works(connect("box"))

    def test_too_many_keys(self, tmp_path: Path, use_config: Write) -> None:
        keys = [keygen(tmp_path / f"key{number}") for number in range(5)]
        with sshd(tmp_path / "strict", ["MaxAuthTries 4"]) as server:
            use_config(server.stanza("box", *(f"IdentityFile {key}" for key in keys)))
            with pytest.raises(AuthError, match="too many keys") as caught:
                connect("box")
            assert "IdentitiesOnly" in caught.value.next_steps[0]


def _sign(authority: Path, key: Path) -> None:
    argv = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", getpass.getuser(), f"{key}.pub"]
    subprocess.run(argv, check=True)


@pytest.fixture
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("agent") / "a")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: Path(path).exists())
        yield path
    finally:
        process.terminate()
        process.wait(10)
