"""The plan: decided from captured facts alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from devbox.config.model import Endpoint
from devbox.errors import HostError
from devbox.host import checks, daemon, plan, show, undo, units
from devbox.host.facts import parse
from devbox.host.manifest import Manifest, Owned
from devbox.host.model import CA, CERT, DROP_INS, KEY, MANIFEST, Facts, Plan, ServerFiles, Wish, digest
from tests.host.captured import UNIT, VENDOR, bookworm, file_line

WISH = Wish(names=("10.0.0.200",), authority="ours", owner="me@desk", host="box")
SERVER = ServerFiles(b"ca", b"cert", b"key")
OURS = f"{DROP_INS}/50-devbox.conf"


def made(facts: Facts, wish: Wish = WISH) -> Plan:
    return plan.make(facts, wish, SERVER)


def new_text(found: Plan, path: str) -> str:
    content = next(change.new for change in found.changes if change.path == path)
    assert content is not None
    return content.decode()


def command(found: Plan, path: str = OURS) -> str:
    return units.values([new_text(found, path)], "Service", "ExecStart")[-1]


def test_the_vendors_command_is_kept_and_tls_is_added() -> None:
    found = made(bookworm())
    assert command(found) == (
        "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS "
        f"-H tcp://0.0.0.0:2376 --tlsverify --tlscacert={CA} --tlscert={CERT} --tlskey={KEY}"
    )
    assert found.restart
    assert [change.path for change in found.changes] == [OURS, CA, CERT, KEY, MANIFEST]


def test_an_ipv6_host_listens_on_both_families_and_a_tunnel_on_loopback_only() -> None:
    assert "-H tcp://[::]:2376" in command(made(bookworm("address=eth0 2001:db8::1")))
    tunnel = Wish(endpoint=Endpoint.TLS_TUNNEL, authority="ours", owner="me@desk")
    assert "-H tcp://127.0.0.1:2376" in command(made(bookworm(), tunnel))


def after(first: Plan, drop_in: str = OURS) -> Facts:
    """The host when that plan was carried out."""
    files = [
        file_line(one.path, one.new.decode(), f"{one.mode:o}")
        for one in first.changes
        if one.new and one.path != KEY
    ]
    key, listens = f"secret=600 0:0 {digest(b'key')} {KEY}", 'listen=*:2376 users:(("dockerd",pid=700,fd=4))'
    return bookworm(*files, key, listens, drop_ins=drop_in)


def test_what_was_carried_out_leaves_nothing_to_do() -> None:
    found = after(made(bookworm()))
    assert plan.make(found, WISH, None).empty
    assert made(found).empty


def test_addresses_that_moved_out_of_daemon_json_stay_in_force() -> None:
    settings = json.dumps({"hosts": ["unix:///a.sock", "tcp://0.0.0.0:2375"], "debug": True})
    first = made(bookworm(file_line("/etc/docker/daemon.json", settings)))
    assert "-H unix:///a.sock -H tcp://0.0.0.0:2376" in command(first)
    found = after(first)
    assert plan.make(found, WISH, None).empty
    back = undo.make(found, WISH)
    assert "does not get back what opened a root port" in back.warnings[0]
    assert "/etc/docker/daemon.json" not in [one.path for one in back.changes], "the unit has addresses"


def test_the_recipe_in_an_override_is_taken_out_with_the_override() -> None:
    text = (
        "[Service]\nExecStart=\n"
        "ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock "
        "$DOCKER_OPTS -H tcp://0.0.0.0:2376\n"
    )
    path = f"{DROP_INS}/override.conf"
    facts = bookworm(file_line(path, text), drop_ins=path)
    assert [one.address for one in daemon.open_addresses(facts)] == ["tcp://0.0.0.0:2376"]
    found = made(facts)
    assert next(change for change in found.changes if change.path == path).new is None
    assert any("OPEN ROOT PORT" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "flags",
    [
        "-H tcp://0.0.0.0:2375",
        "--host=tcp://0.0.0.0:2375",
        "--host tcp://0.0.0.0:2375",
        "-Htcp://0.0.0.0:2375",
        "-H=tcp://0.0.0.0:2375",
        '-H "tcp://0.0.0.0:2375"',
        "-H tcp://0.0.0.0:2375 --tls --tlscert=/a --tlskey=/b",
        "-H tcp://0.0.0.0:2375 --tlsverify=false --tlscacert=/ca",
        "-H tcp://0.0.0.0:2375 --tlsverify",
    ],
)
def test_every_spelling_of_an_open_port_is_seen_and_removed(flags: str) -> None:
    facts = bookworm(unit=UNIT.replace("-H fd://", f"-H unix:///var/run/docker.sock {flags}"))
    assert daemon.open_addresses(facts)
    found = made(facts)
    assert "2375" not in new_text(found, VENDOR)
    assert "2375" not in command(found)
    assert "-H unix:///var/run/docker.sock" in command(found)


def test_a_daemon_that_listened_on_tcp_only_keeps_a_local_address() -> None:
    facts = bookworm(unit=UNIT.replace("-H fd://", "-H tcp://0.0.0.0:2375"))
    assert "-H fd://" in command(made(facts))


def test_a_tcp_socket_unit_is_secured_and_the_socket_restarted() -> None:
    path = "/etc/systemd/system/docker.socket.d/tcp.conf"
    facts = bookworm(file_line(path, "[Socket]\nListenStream=2375\n"), f"socket.DropInPaths={path}")
    found = made(facts)
    assert "2375" not in new_text(found, path)
    assert found.stop_socket
    assert show.commands(found) == [
        "systemctl daemon-reload",
        "systemctl stop docker.service docker.socket",
        "systemctl start docker.socket",
        "systemctl restart docker.service",
    ]


def test_a_daemon_that_sleeps_behind_its_socket_needs_no_start_over_ssh() -> None:
    facts = bookworm(
        "service.ActiveState=inactive", "socket.ActiveState=active", without="service.ActiveState=active"
    )
    assert plan.make(facts, replace(WISH, endpoint=Endpoint.SSH), None).empty
    assert made(facts).restart
    runs = {one: checks.on_host(facts, replace(WISH, endpoint=one), 0)[2].probe() for one in Endpoint}
    assert "it starts when it is asked" in runs[Endpoint.SSH].evidence
    assert runs[Endpoint.TLS].evidence == "docker.service is inactive"


def test_what_live_restore_would_change_is_said_where_containers_stop() -> None:
    running = f"running={'c' * 64} web"
    found = made(bookworm(running))
    assert found.stopping == ("web",)
    assert 'with "live-restore": true in /etc/docker/daemon.json' in found.warnings[-1]
    live = made(bookworm(running, "engine.live_restore=true"))
    assert (live.stopping, live.warnings) == ((), ())
    assert "live-restore is on" in show.text(live, bookworm("engine.live_restore=true"))


def test_tlsverify_in_daemon_json_without_a_ca_is_an_open_port() -> None:
    settings = json.dumps({"hosts": ["tcp://0.0.0.0:2376"], "tlsverify": True, "debug": True})
    found = made(bookworm(file_line("/etc/docker/daemon.json", settings)))
    assert not found.refusals
    assert json.loads(new_text(found, "/etc/docker/daemon.json")) == {"debug": True}


DEFAULTS = "/etc/default/docker"
READS_DEFAULTS = f"service.EnvironmentFiles={DEFAULTS} (ignore_errors=yes)"


def test_an_open_port_in_the_variables_of_the_command_line_is_seen_and_removed() -> None:
    text = '# mine\nDOCKER_OPTS="-H tcp://0.0.0.0:2375 --dns 192.0.2.1"\nOTHER=-H tcp://0.0.0.0:1\n'
    facts = bookworm(READS_DEFAULTS, file_line(DEFAULTS, text))
    assert [(one.address, one.origin) for one in daemon.open_addresses(facts)] == [
        ("tcp://0.0.0.0:2375", DEFAULTS)
    ]
    found = made(facts)
    assert new_text(found, DEFAULTS) == text.replace("-H tcp://0.0.0.0:2375 ", "")
    assert "$DOCKER_OPTS" in command(found), "what else stands in it stays in force"
    assert "--dns 192.0.2.1" in " ".join(found.arguments)
    in_unit = UNIT.replace("[Service]", '[Service]\nEnvironment="DOCKER_OPTS=-H tcp://0.0.0.0:2375"')
    found = made(bookworm(unit=in_unit.replace(" -H fd://", "")))
    assert '\nEnvironment="DOCKER_OPTS="\n' in new_text(found, VENDOR)
    assert "-H fd:// -H tcp://0.0.0.0:2376" in command(found)


def test_mutual_tls_in_the_variables_of_the_command_line_is_somebody_elses() -> None:
    text = "DOCKER_OPTS='-H tcp://0.0.0.0:2376 --tlsverify --tlscacert=/ca --tlscert=/c --tlskey=/k'\n"
    found = made(bookworm(READS_DEFAULTS, file_line(DEFAULTS, text)))
    assert "another certificate authority" in found.refusals[0].what


@pytest.mark.parametrize(
    ("flag", "settings", "key"),
    [
        ("--data-root=/srv/docker", {"data-root": "/var/lib/docker"}, "data-root"),
        ("-l info", {"log-level": "info"}, "log-level"),
        ("-D", {"debug": True}, "debug"),
        ("--label a=b", {"labels": ["c=d"]}, "labels"),
    ],
)
def test_a_setting_given_twice_is_named_with_both_places(
    flag: str, settings: dict[str, object], key: str
) -> None:
    """dockerd 20.10 cannot check its settings without starting: these checks are ours."""
    line = file_line("/etc/docker/daemon.json", json.dumps(settings))
    for facts, origin in (
        (bookworm(line, unit=UNIT.replace("$DOCKER_OPTS", flag)), VENDOR),
        (bookworm(line, READS_DEFAULTS, file_line(DEFAULTS, f'DOCKER_OPTS="{flag}"\n')), DEFAULTS),
    ):
        refusal = made(facts).refusals[0]
        assert f"{key} is set twice" in refusal.what
        assert refusal.why == f"{flag.split()[0]} in {origin}, and {key} in /etc/docker/daemon.json"


def test_a_drop_in_that_would_win_over_ours_is_named() -> None:
    path = "/run/systemd/system/docker.service.d/zzz.conf"
    text = "[Service]\nExecStart=\nExecStart=/usr/sbin/dockerd -H fd://\n"
    refusal = made(bookworm(file_line(path, text), drop_ins=path)).refusals[0]
    assert refusal.what == f"{path} would undo what devbox writes"
    assert f"sudo mv {path} {DROP_INS}/10-zzz.conf" in refusal.next[0]


def test_somebody_elses_mutual_tls_is_left_alone() -> None:
    tls = "-H tcp://0.0.0.0:2376 --tlsverify --tlscacert=/root/ca.pem --tlscert=/c --tlskey=/k"
    found = made(bookworm(unit=UNIT.replace("-H fd://", f"-H fd:// {tls}")))
    assert "another certificate authority" in found.refusals[0].what
    assert not found.changes


@pytest.mark.parametrize(
    ("line", "without", "words"),
    [
        ("", "dockerd=", "not installed"),
        ("", "systemd=", "does not run systemd"),
        ("shim=podman", "", "podman"),
        ("shim=snap", "dockerd=", "snap"),
        ("shim=rootless", "service.LoadState", "runs rootless"),
        ("", "service.LoadState", "not run by a system service"),
        ("", "root_now", "cannot be root"),
        ('listen=*:2376 users:(("nginx",pid=9,fd=4))', "", "port 2376 of the host is taken"),
        ("pending.id=1\npending.owner=eve@lab", "", "eve@lab is preparing"),
        ("root=other /home/dev/app", "", "not a folder"),
        ("root=0 /srv/app", "", "belongs to another user"),
    ],
)
def test_what_cannot_be_prepared_is_refused_with_words(line: str, without: str, words: str) -> None:
    found = made(bookworm(*line.split("\n"), without=without))
    assert words in found.refusals[0].what
    assert found.refusals[0].next
    assert not found.changes


def test_an_answer_cut_short_is_no_fact() -> None:
    with pytest.raises(HostError, match="incomplete"):
        parse(["format=1", "user=dev"])


def test_undo_restores_what_stood_there_first_and_keeps_open_ports_closed() -> None:
    first = made(bookworm(file_line("/etc/docker/daemon.json", '{"hosts": ["unix:///a.sock"]}')))
    manifest = next(change.new for change in first.changes if change.path == MANIFEST)
    assert manifest is not None
    after = bookworm(
        file_line("/etc/docker/daemon.json", new_text(first, "/etc/docker/daemon.json")),
        file_line(OURS, new_text(first, OURS)),
        file_line(MANIFEST, manifest.decode(), "600"),
        drop_ins=OURS,
    )
    back = undo.make(after, WISH)
    assert new_text(back, "/etc/docker/daemon.json") == '{"hosts": ["unix:///a.sock"]}'
    assert next(change for change in back.changes if change.path == OURS).new is None
    kept = Manifest("ours", "me", 2376, (Owned(VENDOR, digest(UNIT.encode()), None, keep=True),))
    closed = undo.make(bookworm(file_line(MANIFEST, kept.dump().decode())), WISH)
    assert [change.path for change in closed.changes] == [MANIFEST]
    assert closed.warnings


def test_units_that_did_not_run_are_stopped_by_reset_unless_containers_need_them() -> None:
    first = made(bookworm(without="service.ActiveState"))
    written = next(one.new for one in first.changes if one.path == MANIFEST)
    assert written is not None
    lines = (file_line(MANIFEST, written.decode(), "600"), file_line(OURS, new_text(first, OURS)))
    back = undo.make(bookworm(*lines), WISH)
    assert back.resting == ("docker.service",)
    stopped = ["systemctl stop docker.service docker.socket", "systemctl start docker.socket"]
    assert show.commands(back)[1:] == stopped
    kept = undo.make(bookworm(*lines, "running=abc web"), WISH)
    assert kept.resting == ()
    assert "left running for the containers" in kept.warnings[0]
    assert show.commands(kept)[1:] == ["systemctl restart docker.service"]
    old = {key: value for key, value in json.loads(written).items() if key != "resting"}
    older = bookworm(file_line(MANIFEST, json.dumps(old)), lines[1])
    assert undo.make(older, WISH).resting == (), "a manifest of before says nothing of units"
    assert undo.make(older, WISH).restart


def test_a_daemon_that_is_not_started_at_boot_is_named() -> None:
    assert any(
        "not started at boot" in one for one in made(bookworm("service.UnitFileState=disabled")).warnings
    )
    assert not made(bookworm("service.UnitFileState=enabled")).warnings


def test_a_change_is_known_as_ours_by_its_machine_and_by_its_name_where_it_says_no_more() -> None:
    wish = replace(WISH, client="1")
    assert wish.owns("me@desk", "1")
    assert not wish.owns("me@desk", "2")
    assert wish.owns("me@desk", ""), "begun by an older version"
    assert not wish.owns("eve@lab", "")
