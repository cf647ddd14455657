"""The chain for one config: which room's checks are its links, in the order of the road."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from devbox import wiring
from devbox.cli.console import Console
from devbox.config.model import Config
from devbox.doctor import local, remote
from devbox.doctor.chain import Section
from devbox.errors import HostError
from devbox.host.store import Store
from devbox.ports.check import Check, Stage
from devbox.ports.daemon import Container


def sections(config: Config, reach: wiring.Reach, console: Console) -> list[Section]:
    """From the name of the host to the app's own answer, and the IDE's files."""
    roots = [mapping.remote for mapping in config.sync]
    store = Store(config.host)
    # A project may only sync: then the daemon is none of its links, unless `init` made it one.
    wants_docker = bool(config.services) or not config.sync or store.record() is not None
    return [
        Section("ssh", Stage.SSH, reach.checks),
        *(_daemon(config, store, reach) if wants_docker else []),
        Section(
            "environment", Stage.CLIENT, lambda: local.checks(os.environ, store.context, _tls_host(store))
        ),
        Section(
            "folders", Stage.SYNC, lambda: remote.folders(reach.host(), roots, f"devbox init {config.host}")
        ),
        *([Section("sync", Stage.SYNC, lambda: _sync(config))] if roots else []),
        *(_services(config, reach) if config.services else []),
        Section("PyCharm", Stage.IDE, lambda: _pycharm(config, console)),
    ]


def _daemon(config: Config, store: Store, reach: wiring.Reach) -> list[Section]:
    """The host room's part: what the host says of itself, its TLS door, what is kept here."""
    from devbox.host import checks, prepare, proof
    from devbox.host.model import Wish
    from devbox.host.room import Room
    from devbox.ports.events import ignore

    docker = config.docker
    wish = Wish(endpoint=docker.endpoint, port=docker.port, host=config.host)

    def room() -> Room:
        return Room(reach.host(), store, wiring.probe(), ignore, time.time)

    def on_host() -> list[Check]:
        return checks.on_host(prepare.read(room(), (), docker.endpoint), wish, time.time())

    def from_here() -> list[Check]:
        record = store.record()
        if record is None:
            step = f"devbox init {config.host}"
            raise HostError("this host was not prepared from here", next_steps=[step])
        return checks.from_here(reach.hold(proof.door(room(), wish, record.engine)), wiring.probe())

    dockerd = Section("dockerd", Stage.DAEMON, on_host)
    if docker.endpoint.value == "ssh":
        return [dockerd, Section("through SSH", Stage.DAEMON, lambda: [proof.socket_check(room())])]
    kept = Section("kept here", Stage.CLIENT, lambda: checks.client(store, time.time()))
    return [dockerd, Section("TLS", Stage.TLS, from_here), kept]


def _tls_host(store: Store) -> str:
    """Where Docker's own clients find the TLS port, "" when there is none."""
    record = store.record()
    return record.hostname if record and record.endpoint == "tls" else ""


def _sync(config: Config) -> list[Check]:
    from devbox.sync import checks

    places = {mapping.remote: wiring.sync_place(config, mapping) for mapping in config.sync}
    indexes = {remote: place.state / "index.sqlite" for remote, place in places.items()}
    return checks.checks(indexes, lambda question: _watching(config, question))


def _watching(config: Config, question: str) -> Mapping[str, Any] | None:
    from devbox.sync import control

    return control.ask(wiring.sync_state(config), question, timeout=10)


def _services(config: Config, reach: wiring.Reach) -> list[Section]:
    from devbox.cli.project import forward_state
    from devbox.image.checks import checks as image
    from devbox.services import checks
    from devbox.services.knock import knock

    def containers() -> Sequence[Container]:
        return reach.daemon().containers(config.labels(reach.host().address.user))

    def app() -> list[Check]:
        return checks.answering(config, containers(), forward_state(config).addresses(), knock)

    own = any(not service.image for service in config.services)
    return [
        *([Section("image", Stage.IMAGE, lambda: image(config, reach.daemon()))] if own else []),
        Section("services", Stage.SERVICES, lambda: checks.running(config, containers())),
        Section("app", Stage.APP, app),
    ]


def _pycharm(config: Config, console: Console) -> list[Check]:
    """The files as devbox.yaml and the host's last answers say: the host is not asked again."""
    from devbox.cli.pycharm_check import stale
    from devbox.cli.pycharm_job import open_job
    from devbox.pycharm import checks

    job = open_job(console, config, None, "")
    watching = _watching(config, "status") is not None
    files = checks.up_to_date(
        bool(job.memory.places), lambda: stale(job, job.facts(job.ask_again(), checks.uploads(job.root)))
    )
    return [files, checks.both_ways(job.root, lambda: watching)]
