"""The link is cut, or devbox killed, at one chosen point of a real `init` on a real host: what is left?

The staged script runs under bash with a DEBUG trap that counts its commands, subshells too, and stops before
the chosen one; then the connection is cut under it. So the points are enumerated from the script itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from devbox import wiring
from devbox.config.load import parse
from devbox.errors import DevboxError
from devbox.host import identity, prepare
from devbox.host.model import Wish
from devbox.host.room import Room
from devbox.host.store import Store
from devbox.ports.events import Event
from devbox.ports.host import Line, Progress, Script
from tests.host.desk import Desk, clean
from tests.rehearsal.proxy import Proxy

_COUNTING = """exec 8>&1; exec bash -c '
step() {
    read -r n <"$DEVBOX_STAGE/count"; n=$((n + 1)); echo $n >"$DEVBOX_STAGE/count"
    [ $n != %d ] || { echo "sweep=cut" >&8; while :; do sleep 1; done; }
}
finish() { trap - DEBUG; read -r n <"$DEVBOX_STAGE/count"; echo "sweep=$n" >&8; }
echo 0 >"$DEVBOX_STAGE/count"
trap finish EXIT; set -T; trap step DEBUG; . "$DEVBOX_STAGE/real.sh"'
"""
VERBS = ("apply", "commit", "settle")


@dataclass
class Cutting:
    """A host whose staged script of one verb is cut before its `point`-th command (0: only counted)."""

    inner: Any
    proxy: Proxy
    verb: str
    point: int
    commands: dict[str, int] = field(default_factory=dict)

    def run(self, script: Script) -> Iterator[Progress]:
        verb = next((one for one in VERBS if f"\nset -- {one}" in f"\n{script.text}"), "")
        if not verb:
            return iter(self.inner.run(script))
        point = self.point if verb == self.verb else 0
        files = {**script.files, "real.sh": script.text.encode()}
        return self._watch(verb, self.inner.run(Script(_COUNTING % point, files, script.privilege)))

    def _watch(self, verb: str, running: Iterator[Progress]) -> Iterator[Progress]:
        for progress in running:
            if isinstance(progress, Line) and progress.text.startswith("sweep="):
                if progress.text == "sweep=cut":
                    self.proxy.cut()
                else:
                    self.commands[verb] = int(progress.text.partition("=")[2])
            else:
                yield progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True)
class Outcome:
    """One cut: `state` is `old`, `new` or what else was found; `said` what the next run said about it."""

    where: str
    state: str
    said: str

    @property
    def good(self) -> bool:
        return self.state in ("old", "new")


class Sweep:
    """Cuts on one host, each from the same old state."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        os.environ.update({name: text for name, text in desk.environment.items() if name.startswith("XDG_")})
        os.environ["DEVBOX_SSH_CONFIG"] = desk.environment["DEVBOX_SSH_CONFIG"]
        self.plain = (desk.folder / "ssh_config").read_text()
        self.old = desk.snapshot()
        self.process = desk.main_pid()
        self.config = parse(
            f"name: shop\nhost: {desk.host.name}\nsync: [{{local: ., remote: ~/devbox/shop}}]\n"
        )

    def commands(self) -> dict[str, int]:
        """How many commands each verb of the script has, in a run that nothing disturbs."""
        found = self._attempt("", 0)
        self._clean()
        assert found["apply"] > 50
        return found

    def cut(self, verb: str, point: int) -> Outcome:
        """The link is cut before that command; then the next run."""
        self._attempt(verb, point)
        return self._after(f"{verb} {point}")

    def kill(self, number: int) -> Outcome:
        """devbox is killed (SIGKILL) when it has said its `number`-th event; then the next run."""
        running = self.desk.start("init", self.desk.host.name, "--yes", "--json")
        assert running.stdout is not None
        said = ""
        for _ in range(number):
            said = running.stdout.readline() or said
        running.kill()
        running.communicate()
        event = json.loads(said)
        return self._after(f"killed after {event['kind']} {event['data'].get('step', '')}".strip())

    def _attempt(self, verb: str, point: int) -> dict[str, int]:
        with Proxy((self.desk.host.address, 22)) as proxy:
            through = f"  HostName 127.0.0.1\n  Port {proxy.port}\n  HostKeyAlias {self.desk.host.address}"
            config = self.plain.replace(f"  HostName {self.desk.host.address}", through)
            (self.desk.folder / "ssh_config").write_text(config)
            try:
                with wiring.open_host(self.config) as connection:
                    host = Cutting(connection, proxy, verb, point)
                    room = Room(_Named(host, self.desk.host.address), *self._rest([]))
                    try:
                        prepare.carry_out(room, prepare.propose(room, self._wish()))
                    except DevboxError:
                        assert point
                    return host.commands
            finally:
                (self.desk.folder / "ssh_config").write_text(self.plain)

    def _rest(self, heard: list[Event]) -> tuple[Any, ...]:
        return Store(self.config.host), wiring.probe(), heard.append, time.time

    def _wish(self) -> Wish:
        return Wish(
            names=(self.desk.host.address,),
            roots=("~/devbox/shop",),
            owner=identity.owner(),
            client=identity.client(),
            host=self.config.host,
        )

    def _after(self, where: str) -> Outcome:
        """What the next run says and finds; the host is then put back for the next cut."""
        heard: list[Event] = []
        with wiring.open_host(self.config) as connection:
            room = Room(connection, *self._rest(heard))
            proposal = prepare.propose(room, self._wish())
            if proposal.plan.empty:
                state = "new" if self._proved(room, proposal) else "new, not proved"
            else:
                state = "old" if self._is_old() and proposal.facts.pending is None else "neither"
        self._clean()
        return Outcome(where, state, "; ".join(one.text for one in heard if one.text))

    def _clean(self) -> None:
        """The old state for the next cut; dockerd is only restarted where it was restarted."""
        clean(self.desk.host, restart=self.desk.main_pid() != self.process)
        self.process = self.desk.main_pid()

    def _proved(self, room: Room, proposal: Any) -> bool:
        try:
            prepare.carry_out(room, proposal)
        except DevboxError:
            return False
        return True

    def _is_old(self) -> bool:
        """Every file as before, and the old daemon answers; the remote folders may be there already."""
        answers = self.desk.host.sh("docker -H unix:///var/run/docker.sock version -f ok", check=False)
        closed = self.desk.host.sh("ss -Hltn sport = :2376", check=False) == ""
        return answers == "ok\n" and closed and _settings(self.desk.snapshot()) == _settings(self.old)


def _settings(snapshot: str) -> list[str]:
    """What is the host's own; what devbox notes for itself is cleared away by its next run."""
    return [line for line in snapshot.splitlines() if " /var/lib/devbox/" not in line]


class _Named:
    """The host under its real address: the proofs go there, not through the proxy."""

    def __init__(self, host: Cutting, hostname: str) -> None:
        from dataclasses import replace

        self._host = host
        self.address = replace(host.address, hostname=hostname)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)
