"""The plan: what the facts are, against what is wished. Pure: nothing is looked up, nothing is done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from devbox.config.model import Endpoint
from devbox.host import daemon, firewall, manifest, obstacles, secure, undo, units
from devbox.host.manifest import Manifest
from devbox.host.model import (
    CA,
    CERT,
    DAEMON_JSON,
    DROP_IN_NAMES,
    DROP_INS,
    FOLDER,
    KEY,
    MANIFEST,
    Change,
    Facts,
    File,
    Folder,
    Plan,
    ServerFiles,
    Wish,
    digest,
)
from devbox.rendering import render

_LIVE_RESTORE = (
    "running containers stop while dockerd restarts, and are started again; "
    f'with "live-restore": true in {DAEMON_JSON} (and dockerd restarted once) they would run on'
)


def make(facts: Facts, wish: Wish, server: ServerFiles | None) -> Plan:
    """The plan that turns the facts into the wish. `server` `None` keeps the files there."""
    refusals = tuple(obstacles.find(facts, wish))
    folders = missing_roots(facts)
    if refusals:
        return Plan(refusals=refusals, warnings=tuple(_warnings(facts, wish)))
    if wish.endpoint is Endpoint.SSH and manifest.read(facts):
        # No port is wished any more; but dockerd is, whether it ran before or not.
        return replace(undo.make(facts, wish), folders=folders, resting=())
    secured = secure.open_ports(facts) if facts.as_root or wish.by_hand else {}
    changes = list(secured.values())
    command = ""
    if wish.endpoint is not Endpoint.SSH:
        command = _command(facts, wish, secured)
        walls = _firewall(facts, wish)
        changes += [*walls, *_listening(facts, command, secured, bool(walls)), *_certificates(facts, server)]
        folders = (*_own_folders(facts), *folders)
    changes = [change for change in changes if not _same(change, facts)]
    restart = bool(changes) or not _serving(facts, wish)
    stopping = _stopping(facts) if restart else ()
    changes += _manifest(facts, wish, changes)
    return Plan(
        changes=tuple(changes),
        folders=folders,
        restart=restart,
        stop_socket=any(change.path.endswith(".socket") or ".socket.d/" in change.path for change in changes),
        arguments=_arguments(command, facts),
        stopping=stopping,
        warnings=(*_warnings(facts, wish), *([_LIVE_RESTORE] if stopping else [])),
    )


def _arguments(command: str, facts: Facts) -> tuple[str, ...]:
    """dockerd's words as it will get them; a variable that nobody sets says nothing."""
    known = units.expanded(command, daemon.closed_variables(facts))
    return tuple(word for word in units.words(known) if "$" not in word)


def _command(facts: Facts, wish: Wish, secured: dict[str, Change]) -> str:
    """dockerd as the host starts it, with our address and certificates added."""
    files = []
    for file in daemon.unit_files(facts):
        change = secured.get(file.path)
        if change is None or change.new is not None:
            files.append(File(file.path, content=change.new if change else file.content))
    plain = units.without_network(daemon.start_command(files))
    local = daemon.with_local(plain, daemon.hosts(facts), facts)
    address = f"-H tcp://{bind_address(facts, wish)}:{wish.port}"
    return f"{local} {address} --tlsverify --tlscacert={CA} --tlscert={CERT} --tlskey={KEY}"


def bind_address(facts: Facts, wish: Wish) -> str:
    """Loopback for the tunnel; else every address, of both families where the host has an IPv6 one."""
    if wish.endpoint is Endpoint.TLS_TUNNEL:
        return "127.0.0.1"
    return "[::]" if any(ip_address(one).version == 6 for one in facts.addresses) else "0.0.0.0"


def _firewall(facts: Facts, wish: Wish) -> list[Change]:
    """The rules that are wished; those of an earlier wish stay as they are."""
    old = firewall.present(facts)
    text = firewall.unit(facts, wish) if wish.open_firewall else ""
    wanted = text.encode() if text else old.content if old else None
    return [] if wanted is None else [Change(firewall.UNIT, wanted, old)]


def _listening(facts: Facts, command: str, secured: dict[str, Change], walls: bool) -> Iterator[Change]:
    wanted = drop_in_name(facts)
    for name in DROP_IN_NAMES:
        path = f"{DROP_INS}/{name}"
        if name == wanted:
            wants = firewall.NAME if walls else ""
            text = render("host/drop-in.conf.j2", command=command, wants=wants)
            yield Change(path, text.encode(), facts.files.get(path))
        elif path in facts.files:
            yield Change(path, None, facts.files[path])
    values = daemon.settings(facts).values
    if DAEMON_JSON not in secured and any(key in values for key in (*daemon.TLS_KEYS, "hosts")):
        yield secure.without_network(facts)


def drop_in_name(facts: Facts) -> str:
    """Our drop-in's name: after every drop-in of others that sets ExecStart, or it would undo ours."""
    plain, late = DROP_IN_NAMES
    rivals = [
        file.path.rpartition("/")[2]
        for file in daemon.unit_files(facts)[1:]
        if units.sets(file.text, "ExecStart")
    ]
    return late if any(rival > plain for rival in rivals) else plain


def _certificates(facts: Facts, server: ServerFiles | None) -> Iterator[Change]:
    if server is not None:
        yield Change(CA, server.ca, facts.files.get(CA), 0o644)
        yield Change(CERT, server.cert, facts.files.get(CERT), 0o644)
        yield Change(KEY, server.key, facts.files.get(KEY), 0o600, secret=True)


def _own_folders(facts: Facts) -> Iterator[Folder]:
    if not any(path.startswith(f"{FOLDER}/") for path in facts.files):
        yield Folder(FOLDER, 0o700)
    if not any(path.startswith(f"{DROP_INS}/") for path in facts.files):
        yield Folder(DROP_INS)


def missing_roots(facts: Facts) -> tuple[Folder, ...]:
    """The remote roots that are to be made, owned by the SSH user."""
    owner = f"{facts.uid}:{facts.gid}"
    return tuple(Folder(root.path, owner=owner) for root in facts.roots if root.state == "absent")


def _same(change: Change, facts: Facts) -> bool:
    file = facts.files.get(change.path)
    if file is None or change.new is None:
        return file is None and change.new is None
    return file.sum == digest(change.new) and file.mode == change.mode


def _serving(facts: Facts, wish: Wish) -> bool:
    """Whether the running daemon is the one that the files describe."""
    if wish.endpoint is Endpoint.SSH and not facts.service.exists:
        return True  # whatever starts it there, nothing is asked of it
    if wish.endpoint is Endpoint.SSH and facts.asleep:
        return True
    if facts.service.active_state != "active":
        return False
    if wish.endpoint is Endpoint.SSH:
        return True
    ours = [one for one in facts.listening(wish.port) if one.program in ("dockerd", "")]
    return bool(ours) or not facts.listeners


def _manifest(facts: Facts, wish: Wish, changes: list[Change]) -> list[Change]:
    known = manifest.read(facts)
    if known is None and not changes:
        return []
    start = known or Manifest(wish.authority, wish.owner, wish.port, resting=facts.resting)
    if wish.endpoint is not Endpoint.SSH:
        start = replace(start, authority=wish.authority, port=wish.port)
    change = Change(MANIFEST, start.after(changes).dump(), facts.files.get(MANIFEST), 0o600)
    return [] if _same(change, facts) else [change]


def _stopping(facts: Facts) -> tuple[str, ...]:
    if facts.engine.live_restore:
        return ()
    return tuple(name or identity[:12] for identity, name in facts.containers.items())


def _warnings(facts: Facts, wish: Wish) -> Iterator[str]:
    for one in daemon.open_addresses(facts):
        yield f"OPEN ROOT PORT: dockerd asks nobody for a certificate on {one.address} ({one.origin})"
    if wish.endpoint is Endpoint.SSH and daemon.prepared(facts) and not facts.as_root:
        yield f"the TLS port of an earlier init stays open: closing it needs root ({facts.no_root})"
    yield from _about_firewalls(facts, wish)
    if wish.endpoint is not Endpoint.SSH and facts.service.file_state == "disabled":
        yield "docker.service is not started at boot: after a reboot, sudo systemctl start docker.service"
    if 0 <= facts.disk_free < 2_000_000_000:
        yield f"only {facts.disk_free // 1_000_000} MB are free for images"


def _about_firewalls(facts: Facts, wish: Wish) -> Iterator[str]:
    names = ", ".join(facts.firewalls)
    if wish.endpoint is Endpoint.TLS and names and not (wish.open_firewall or firewall.present(facts)):
        yield (
            f"the host has a firewall ({names}): TCP port {wish.port} must be open for you; "
            f"--open-firewall opens it for {facts.client or 'you'} alone"
        )
    if wish.open_firewall and not names:
        yield "no firewall on the host stands in the way: nothing is added (one outside of it is not seen)"
    if "ufw" in facts.firewalls:
        yield "ports that containers publish on all addresses go past ufw: devbox publishes on loopback"
