"""`devbox init` when things go wrong: nothing half done, the old daemon alive, and the next run converges."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.host.desk import Desk, sit_down
from tests.rehearsal.proxy import Proxy

pytestmark = pytest.mark.host

_WRAPPER = """cat >/usr/local/bin/dockerd-picky <<'X'
#!/bin/sh
case "$*" in *--tlsverify*) echo "I do not like certificates" >&2; exit 1 ;; esac
exec /usr/sbin/dockerd "$@"
X
chmod +x /usr/local/bin/dockerd-picky
mkdir -p /etc/systemd/system/docker.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/dockerd-picky -H fd://\\n' \
    >/etc/systemd/system/docker.service.d/override.conf
systemctl daemon-reload && systemctl restart docker.service"""


def test_a_daemon_that_does_not_start_is_rolled_back(desk: Desk) -> None:
    desk.host.sh(_WRAPPER)
    before = desk.snapshot()
    said = desk.init(code=1)
    assert "dockerd does not start with its new settings; the host is as it was before" in said
    assert "I do not like certificates" in said
    assert desk.snapshot() == before
    assert desk.host.sh("docker -H unix:///var/run/docker.sock version -f '{{.Server.Version}}'")
    desk.host.sh("rm /usr/local/bin/dockerd-picky")


def test_somebody_elses_later_drop_in_does_not_undo_ours(desk: Desk) -> None:
    desk.host.sh(_WRAPPER.replace("exit 1 ;;", ";;"))
    before = desk.snapshot()
    assert "zz-devbox.conf" in desk.init()
    assert "dockerd-picky" in desk.host.sh("systemctl show -p ExecStart docker.service")
    desk.reset_to(before)
    desk.host.sh("rm /usr/local/bin/dockerd-picky")


def test_the_link_is_cut_in_the_middle_and_the_next_run_converges(
    desk: Desk, proxy_factory: Callable[..., Proxy]
) -> None:
    before = desk.snapshot()
    proxy = proxy_factory((desk.host.address, 22))
    config = desk.folder / "ssh_config"
    plain = config.read_text()
    through = f"  HostName 127.0.0.1\n  Port {proxy.port}\n  HostKeyAlias {desk.host.address}"
    config.write_text(plain.replace(f"  HostName {desk.host.address}", through))
    running = desk.start("init", desk.host.name, "--yes")
    _await_line(running.stderr, "files in place")
    proxy.cut()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "connection broke" in err
    config.write_text(plain)
    said = desk.init()
    assert "that is settled first" in said
    assert "the last change was taken back" in said
    assert "nothing to do" in desk.init()
    desk.reset_to(before)


def test_killed_in_the_middle_and_the_next_run_converges(desk: Desk) -> None:
    before = desk.snapshot()
    running = desk.start("init", desk.host.name, "--yes")
    _await_line(running.stderr, "the way back is armed")
    running.kill()
    running.communicate()
    assert "prepared and proved" in desk.init()
    assert desk.host.sh("systemctl list-timers --all --no-legend devbox-rollback.timer") == ""
    desk.reset_to(before)


def test_stopped_by_the_user_in_the_middle_the_old_state_returns_at_once(desk: Desk) -> None:
    before = desk.snapshot()
    running = desk.start("init", desk.host.name, "--yes")
    _await_line(running.stderr, "the way back is armed")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "putting the host back" in err
    assert desk.snapshot() == before


def test_two_at_once(desk: Desk) -> None:
    before = desk.snapshot()
    first, second = (desk.start("init", desk.host.name, "--yes") for _ in range(2))
    said = [one.communicate(timeout=120)[1] for one in (first, second)]
    codes = sorted((first.returncode, second.returncode))
    assert codes == [0, 1], said
    assert any("another devbox is preparing this host" in text for text in said)
    assert "nothing to do" in desk.init()
    desk.reset_to(before)


def test_two_operators_at_once(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each at a machine of their own: nothing but the host's own lock and notes is between them."""
    before = desk.snapshot()
    other = replace(sit_down(tmp_path_factory.mktemp("eve"), desk.host), more={"LOGNAME": "eve"})
    runs = [one.start("init", one.host.name, "--yes") for one in (desk, other)]
    said = [running.communicate(timeout=240)[1] for running in runs]
    codes = [running.returncode for running in runs]
    assert sorted(codes) == [0, 1], said
    winner, loser = (desk, other) if codes == [0, 1] else (other, desk)
    words = said[codes.index(1)]
    told = ("is at work on this host", "is preparing this host", "changed since the plan", "was prepared by")
    assert any(one in words for one in told), words
    assert "nothing to do" in winner.init()
    assert "was prepared by" in loser.init(code=1)
    winner.reset_to(before)


def test_another_machine_of_our_name_is_left_in_peace(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    twin, before = sit_down(tmp_path_factory.mktemp("twin"), desk.host), desk.snapshot()
    running = twin.start("init", desk.host.name, "--yes")
    _await_line(running.stderr, "files in place")
    running.kill()
    running.communicate()
    pending = "cat /var/lib/devbox/pending/id"
    left = desk.host.sh(pending)
    assert "at another machine of that name, is preparing this host" in desk.init(code=1)
    assert desk.host.sh(pending) == left
    said = twin.init()
    assert "that is settled first" in said
    assert "the last change was taken back" in said
    twin.reset_to(before)


def test_another_operator_is_left_in_peace(desk: Desk) -> None:
    desk.host.sh(
        "mkdir -p /var/lib/devbox/pending && cd /var/lib/devbox/pending && echo 1 >id && "
        "echo eve@elsewhere >owner && date +%s >started && : >undo"
    )
    before = desk.snapshot()
    assert "eve@elsewhere is preparing this host" in desk.init(code=1)
    assert desk.snapshot() == before, "theirs, too"


def test_a_prepared_host_belongs_to_who_prepared_it(desk: Desk) -> None:
    before = desk.snapshot()
    desk.init()
    desk.keys.rename(desk.folder / "lost")
    said = desk.init(code=1)
    assert "was prepared by" in said
    assert "host grant" in said
    desk.reset_to(before)  # it is whoever is root there who may end it, with certificates or without


def test_the_port_is_taken(desk: Desk) -> None:
    listen = "import socket,time;s=socket.create_server(('0.0.0.0',2376));time.sleep(600)"
    desk.host.sh(f'systemd-run -q --unit=squatter python3 -c "{listen}"')
    try:
        _until(lambda: desk.host.sh("ss -Hltn sport = :2376"))
        said = desk.init(code=1)
        assert "port 2376 of the host is taken" in said
        assert "python3" in said
        assert "nothing of devbox" in desk.devbox("host", "reset", "--yes", "--host", desk.host.name)
    finally:
        desk.host.sh("systemctl stop squatter")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"debug": tru}', "line 1, column 11"),
        ("\\357\\273\\277{}", "byte order mark"),
        ("[]", "not a JSON object"),
    ],
)
def test_a_broken_daemon_json_is_named(desk: Desk, content: str, words: str) -> None:
    desk.host.sh(f"printf '{content}' >/etc/docker/daemon.json")
    before = desk.snapshot()
    said = desk.init(code=1)
    assert "/etc/docker/daemon.json on the host is broken" in said
    assert words in said
    assert desk.snapshot() == before


def test_the_tunnel_and_ssh_endpoints(desk: Desk) -> None:
    config = f"name: shop\nhost: {desk.host.name}\ndocker: {{endpoint: tls-tunnel}}\n"
    (desk.project / "devbox.yaml").write_text(config)
    before = desk.snapshot()
    assert "ok  without a certificate" in desk.init()
    assert desk.host.sh("ss -Hltn sport = :2376").split()[3] == "127.0.0.1:2376"
    (desk.project / "devbox.yaml").write_text(config.replace("tls-tunnel", "ssh"))
    desk.host.sh("cp -p /etc/group /etc/gshadow /root/")
    assert "usermod -aG docker dev" in desk.init(code=1)  # and the TLS door is as it was
    assert desk.host.sh("ss -Hltn sport = :2376") != ""
    desk.host.sh("usermod -aG docker dev")
    said = desk.init()
    assert "--- /etc/systemd/system/docker.service.d/50-devbox.conf" in said
    assert "ok  the port is closed" in said
    assert "nothing to do" in desk.init()
    desk.host.sh("gpasswd -d dev docker")
    assert "broken at through SSH: dev cannot use /var/run/docker.sock" in desk.devbox("doctor", code=1)
    assert "usermod -aG docker dev" in desk.init(code=1)
    desk.host.sh("usermod -aG docker dev")
    assert "ok  through SSH" in desk.init()
    assert "ok  through SSH" in desk.devbox("doctor")
    assert desk.host.sh("ss -Hltn sport = :2376") == ""
    desk.host.sh("cp -p /root/group /root/gshadow /etc/")
    assert desk.snapshot() == before, "without a TLS port it is as it was before"
    assert "nothing of devbox" in desk.devbox("host", "reset", "--yes")


def _await_line(stream: object, words: str) -> None:
    assert stream is not None
    for line in stream:  # type: ignore[attr-defined]
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


def _until(probe: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.05)
