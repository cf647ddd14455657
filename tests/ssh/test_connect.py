"""Connecting: keys, known_hosts and jumps, against real servers, and each refusal in its own words."""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import Connection, connect
from devbox.errors import AuthError, ConnectionLost, HostError, HostKeyError, HostUnreachable, UsageError
from devbox.ports.host import Finished, Line, Script, Socket, Stream
from tests.contracts.host import answer, eventually
from tests.rehearsal.proxy import Proxy
from tests.ssh.sshd import Sshd, free_port, keygen, sshd

Write = Callable[[str], Path]


@dataclass
class Answers:
    """An `Ask` with prepared answers, which remembers the questions."""

    secrets: list[str | None] = field(default_factory=list)
    yes: bool | None = None
    asked: list[str] = field(default_factory=list)

    def secret(self, prompt: str) -> str | None:
        self.asked.append(prompt)
        return self.secrets.pop(0) if self.secrets else None

    def confirm(self, question: str) -> bool | None:
        self.asked.append(question)
        return self.yes


def works(connection: Connection) -> bool:
    with connection:
        return answer(connection, "echo it works") == ["it works"]


class TestNames:
    def test_alias_user_port_and_include(self, shared: Sshd, use_config: Write, tmp_path: Path) -> None:
        (tmp_path / "more").write_text(shared.stanza("deep"))
        use_config(f"Include {tmp_path}/more\nMatch originalhost other\n  HostName nowhere.invalid\n")
        with connect("deep") as connection:
            address = connection.address
            assert (address.name, address.hostname, address.port) == ("deep", "127.0.0.1", shared.port)

    @pytest.mark.parametrize("form", ["{user}@127.0.0.1:{port}", "ssh://{user}@127.0.0.1:{port}"])
    def test_forms_with_a_port(self, shared: Sshd, use_config: Write, form: str) -> None:
        use_config(shared.stanza("127.0.0.1"))
        assert works(connect(form.format(user=getpass.getuser(), port=shared.port)))

    @pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "x@-y", "h:99999"])
    def test_what_is_no_host(self, name: str) -> None:
        with pytest.raises(UsageError):
            connect(name)

    def test_no_host(self) -> None:
        with pytest.raises(UsageError, match="no host is given"):
            connect("")

    def test_unknown_name(self, use_config: Write) -> None:
        use_config("")
        with pytest.raises(HostUnreachable, match="cannot be resolved"):
            connect("dev@no-such-host.invalid")

    def test_without_an_ssh_client(
        self, shared: Sshd, use_config: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_config(shared.stanza("box"))
        monkeypatch.setenv("PATH", "/nonexistent")
        assert works(connect("box"))

    def test_without_an_ssh_client_its_conditions_hold(self, use_config: Write, tmp_path: Path) -> None:
        use_config("Match exec false\n  Port 1\nMatch exec true\n  Port 2\n")
        bash = shutil.which("bash")
        assert bash
        (tmp_path / "bash").symlink_to(bash)
        asking = "from devbox.adapters.ssh.resolve import resolve; print(resolve('box').address.port)"
        told = subprocess.run(
            [sys.executable, "-c", asking],
            env={**os.environ, "PATH": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        )
        assert told.stdout == b"2\n"


class TestNetwork:
    def test_refused_port(self, shared: Sshd, use_config: Write) -> None:
        use_config(shared.stanza("box", f"Port {free_port()}"))
        with pytest.raises(HostUnreachable, match="nothing listens on port"):
            connect("box")

    def test_black_hole(self, shared: Sshd, use_config: Write) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            use_config(shared.stanza("box", f"Port {silent.getsockname()[1]}", "ConnectTimeout 1"))
            with pytest.raises(HostUnreachable):
                connect("box")

    def test_not_an_ssh_server(self, shared: Sshd, use_config: Write) -> None:
        command = "echo 220 mail.example ESMTP; sleep 1"
        use_config(shared.stanza("box", f"ProxyCommand {command}", "ConnectTimeout 2"))
        with pytest.raises(HostUnreachable):
            connect("box")

    def test_link_cut_while_a_script_runs(self, server: Sshd, use_config: Write) -> None:
        use_config(server.stanza("box"))
        with connect("box") as connection:
            running = connection.run(Script('echo "$DEVBOX_STAGE"; echo $PPID; sleep 986'))
            stage, parent = (line.text for line in (next(running), next(running)) if isinstance(line, Line))
            _kill_session_of(int(parent))
            with pytest.raises(ConnectionLost) as caught:
                next(running)
            assert caught.value.next_steps
            assert eventually(lambda: not Path(stage).exists())
            with pytest.raises(ConnectionLost):
                connection.run(Script("true"))

    def test_a_peer_that_falls_silent_is_noticed(
        self, shared: Sshd, use_config: Write, proxy_factory: Callable[..., Proxy]
    ) -> None:
        proxy = proxy_factory(("127.0.0.1", shared.port))
        stanza = shared.stanza("box", f"Port {proxy.port}", "HostKeyAlias box")
        known = shared.folder / "known_as_box"
        known.write_text(f"box {shared.public_host_key()}\n")
        use_config(stanza.replace(str(shared.known_hosts), str(known)))
        with connect("box") as connection:
            running = connection.run(Script("echo up; sleep 20"))
            assert next(running) == Line(Stream.OUT, "up")
            connection._wire.watch(pulse=0.2, dead=1.0)
            time.sleep(2.5)
            assert connection.alive  # a silent script is no dead peer
            proxy.blackhole()
            with pytest.raises(ConnectionLost):
                next(running)
            assert not connection.alive


def _kill_session_of(pid: int) -> None:
    """Kill the sshd process that serves the session of `pid`: the client sees a broken link."""
    while "sshd" not in Path(f"/proc/{pid}/comm").read_text():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)


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


class TestWays:
    def test_jump_hosts(self, shared: Sshd, server: Sshd, use_config: Write, tmp_path: Path) -> None:
        with sshd(tmp_path / "third") as third:
            use_config(
                third.stanza("one")
                + server.stanza("two")
                + shared.stanza("box", "ProxyJump one,two")
                + shared.stanza("chain", "ProxyJump hop")
                + server.stanza("hop", "ProxyJump one")
            )
            assert works(connect("box"))
            assert works(connect("chain"))
            assert "Accepted publickey" in third.log()
            assert "Accepted publickey" in server.log()

    def test_jump_host_that_cannot_reach_it(self, server: Sshd, shared: Sshd, use_config: Write) -> None:
        use_config(server.stanza("one") + shared.stanza("box", "ProxyJump one", f"Port {free_port()}"))
        with pytest.raises(HostUnreachable, match="jump host cannot reach"):
            connect("box")

    def test_proxy_command(self, shared: Sshd, server: Sshd, use_config: Write) -> None:
        config = use_config("")
        way = f"ProxyCommand ssh -F {config} -W %h:%p one"
        use_config(server.stanza("one") + shared.stanza("box", way))
        assert works(connect("box"))
        assert "Accepted publickey" in server.log()

    @pytest.mark.parametrize("way", ["", "ProxyJump one", "ProxyCommand"])
    def test_who_waits_for_the_link_is_woken_when_it_is_closed(
        self, shared: Sshd, server: Sshd, use_config: Write, way: str
    ) -> None:
        command = f"ProxyCommand ssh -F {use_config('')} -W %h:%p one"
        use_config(server.stanza("one") + shared.stanza("box", command if way == "ProxyCommand" else way))
        connection = connect("box")
        assert connection.round_trip() > 0  # nothing is on its way: the link's thread waits, and for long
        connection.close()
        connection._wire.join(5)
        assert not connection._wire.is_alive()


class TestChannels:
    def test_dial_is_a_real_socket(self, shared: Sshd, use_config: Write) -> None:
        use_config(shared.stanza("box"))
        with connect("box") as connection, connection.dial(Socket(port=shared.port)) as sock:
            assert sock.recv(8).startswith(b"SSH-2.0")

    def test_dial_nobody(self, shared: Sshd, use_config: Write) -> None:
        use_config(shared.stanza("box"))
        with connect("box") as connection, pytest.raises(HostError, match="does not open"):
            connection.dial(Socket(path="/nonexistent/socket"))

    def test_sftp_channel(self, shared: Sshd, use_config: Write) -> None:
        import paramiko

        use_config(shared.stanza("box"))
        with connect("box") as connection, paramiko.SFTPClient(connection.open_sftp_channel()) as sftp:
            assert sftp.stat("/etc/passwd").st_size

    def test_an_account_without_a_shell(self, tmp_path: Path, use_config: Write) -> None:
        with sshd(tmp_path / "files", ["ForceCommand internal-sftp"]) as server:
            use_config(server.stanza("box"))
            with connect("box") as connection, pytest.raises(HostError):
                list(connection.run(Script("echo no")))

    def test_noise_of_the_login_shell_is_not_output(self, tmp_path: Path, use_config: Write) -> None:
        force = 'ForceCommand echo hello from bashrc; echo and >&2; eval "$SSH_ORIGINAL_COMMAND"'
        with sshd(tmp_path / "noisy", [force]) as server:
            use_config(server.stanza("box"))
            with connect("box") as connection:
                said = list(connection.run(Script("echo result")))
        assert said == [Line(Stream.OUT, "result"), Finished(0)]
