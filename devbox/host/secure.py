"""Closing open root ports: the files that open them, without that. Pure."""

from __future__ import annotations

import json

from devbox.host import daemon, units
from devbox.host.manifest import Owned
from devbox.host.model import DAEMON_JSON, Change, Facts, File


def open_ports(facts: Facts) -> dict[str, Change]:
    """What closes every open root port: the files that open them, without that. Never taken back."""
    changes = {}
    found = {one.origin for one in daemon.open_addresses(facts)}
    for file in daemon.unit_files(facts):
        if file.path in found:
            changes[file.path] = _without_open_port(file, facts)
    for path in facts.service.environment_files:
        if path in found:
            changes[path] = _without_open_variables(facts.files[path], facts)
    for path in (facts.socket_unit.fragment, *facts.socket_unit.drop_ins):
        if path in found:
            old = facts.files[path]
            changes[path] = _change(old, units.without_tcp_sockets(old.text), keep=True)
    if DAEMON_JSON in found:
        changes[DAEMON_JSON] = without_network(facts, keep=True)
    return changes


def _without_open_port(file: File, facts: Facts) -> Change:
    edit = {}
    for command in units.values([file.text], "Service", "ExecStart"):
        edit[command] = daemon.with_local(units.without_network(command), daemon.hosts(facts), facts)
    text = units.with_values(file.text, "ExecStart", edit)
    text = units.with_values(text, "Environment", _closed(file, "Environment", facts))
    base = facts.files.get(facts.service.fragment)
    only = {setting.key for setting in units.settings(text)} == {"ExecStart"}
    if base and file.path != base.path and only and _equal(set(edit.values()), daemon.start_command([base])):
        return Change(file.path, None, file, file.mode, keep=True)  # nothing is left of the override
    return _change(file, text, keep=True)


def _without_open_variables(file: File, facts: Facts) -> Change:
    """An environment file whose variables give dockerd no TCP address any more."""
    text = file.text
    for name in daemon.variables(facts):
        text = units.with_values(text, name, _closed(file, name, facts))
    return _change(file, text, keep=True)


def _closed(file: File, key: str, facts: Facts) -> dict[str, str]:
    """That key's values in the file, each without what dockerd's variables say of TCP and TLS there."""
    edit = {}
    for setting in units.settings(file.text):
        value = setting.value
        for one in daemon.variables(facts).values():
            if one.origin == file.path and one.value:
                value = value.replace(one.value, units.without_network(one.value))
        if setting.key == key:
            edit[setting.value] = value
    return edit


def _equal(commands: set[str], command: str) -> bool:
    return {frozenset(units.words(one)) for one in commands} == {frozenset(units.words(command))}


def without_network(facts: Facts, *, keep: bool = False) -> Change:
    """daemon.json without addresses and TLS: dockerd refuses to have them there and as flags."""
    values = {
        key: value
        for key, value in daemon.settings(facts).values.items()
        if key not in (*daemon.TLS_KEYS, "hosts")
    }
    return _change(facts.files[DAEMON_JSON], json.dumps(values, indent=2) + "\n", keep=keep)


def with_local_hosts(one: Owned, facts: Facts) -> Change | None:
    """daemon.json for the way back: its local addresses again, the open one not; `None` when it had none."""
    now = facts.files.get(DAEMON_JSON)
    local = [host for host in daemon.settings_in(one.old).hosts if not host.startswith("tcp:")]
    by_flag = units.hosts(daemon.expanded(daemon.start_command(daemon.unit_files(facts)), facts))
    if now is None or now.sum != one.sha256 or not local or by_flag:
        return None
    values = {"hosts": local, **daemon.settings(facts).values}
    return _change(now, json.dumps(values, indent=2) + "\n")


def _change(old: File, text: str, *, keep: bool = False) -> Change:
    return Change(old.path, text.encode(), old, old.mode, keep=keep)
