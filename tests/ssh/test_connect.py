"""Connecting: names, networks, jumps, channels, against real servers, and each refusal in its own words."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import connect
from devbox.errors import ConnectionLost, HostError, HostUnreachable, UsageError
from devbox.ports.host import Finished, Line, Script, Socket, Stream
from tests.contracts.host import eventually
from tests.rehearsal.proxy import Proxy
from tests.ssh.answers import works
from tests.ssh.sshd import Sshd, free_port, sshd

Write = Callable[[str], Path]


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
