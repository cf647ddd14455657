"""A strict reader of interpreter entries: what the IDE's own reader needs, checked before we write one.

The IDE drops an entry it cannot read without a word, and with it the project's interpreter. Observed in all
real entries: version 2; name, type, version, homePath, roots, additional in this order; one composite root
below each kind of roots, simple roots only inside it.
"""

from __future__ import annotations

import re

from devbox.errors import DevboxError
from devbox.pycharm.xml import Node

_ORDER = ["name", "type", "version", "homePath", "roots", "additional"]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LEGACY_HOMES = ("docker://", "docker-compose://", "sftp://")


def complaints(jdk: Node) -> list[str]:
    """Everything that is wrong with one `<jdk>`; empty when the IDE can read it."""
    found = [] if jdk.get("version") == "2" else ["version is not 2"]
    if [child.tag for child in jdk.children] != _ORDER:
        return [*found, f"its children are not {', '.join(_ORDER)}"]
    name, kind, version, home, roots, additional = jdk.children
    found += [f"{one.tag} has no value" for one in (name, kind, version, home) if not one.get("value")]
    if kind.get("value") != "Python SDK":
        found.append("type is not Python SDK")
    found += _roots(roots)
    target = additional.find("targetEnvironmentConfiguration")
    return found + (_legacy(home, additional) if target is None else _targets(home, additional, target))


def _roots(roots: Node) -> list[str]:
    found = [f"{child.tag} is no kind of roots" for child in roots.children if not child.tag.endswith("Path")]
    for child in roots.children:
        if [root.get("type") for root in child.children] != ["composite"]:
            found.append(f"{child.tag} has not exactly one composite root")
            continue
        for root in child.children[0].children:
            if root.get("type") != "simple" or not root.get("url"):
                found.append(f"{child.tag} has a root that is not simple or has no url")
    return found


def _legacy(home: Node, additional: Node) -> list[str]:
    found = []
    if not (home.get("value") or "").startswith(_LEGACY_HOMES):
        found.append("neither a target nor a remote home path")
    if not additional.get("INTERPRETER_PATH"):
        found.append("no INTERPRETER_PATH")
    return found


def _targets(home: Node, additional: Node, target: Node) -> list[str]:
    found = []
    if not _UUID.fullmatch(additional.get("SDK_UUID") or ""):
        found.append("SDK_UUID is not a uuid")
    if additional.get("INTERPRETER_PATH") != home.get("value"):
        found.append("INTERPRETER_PATH is not the home path")
    config = target.find("config")
    if config is None:
        return [*found, "the target has no config"]
    values = {one.get("name") or "": one for node in config.walk() for one in [node] if node.tag == "option"}
    return found + _target(target.get("type") or "", values)


def _target(kind: str, options: dict[str, Node]) -> list[str]:
    def filled(name: str) -> bool:
        return name in options and bool(options[name].get("value"))

    if kind == "docker":
        wanted = [name for name in ("tagToPull", "dockerServerName") if not filled(name)]
    elif kind == "docker-compose":
        files = [one for one in options.get("configurationFiles", Node("option")).walk() if one.get("value")]
        wanted = [] if files else ["configurationFiles"]
        wanted += [] if filled("serviceName") else ["serviceName"]
    elif kind == "ssh/web-deployment":
        wanted = [name for name in ("projectRootOnTarget", "webServerConfigId") if not filled(name)]
    else:
        return [f"{kind!r} is no kind of target"]
    return [f"the target has no {name}" for name in wanted]


def require(table: Node) -> None:
    """A defect of ours, found before it harms: `DevboxError` naming the entry and what is wrong with it."""
    for jdk in (node for node in table.walk() if node.tag == "jdk"):
        if wrong := complaints(jdk):
            name = jdk.find("name")
            raise DevboxError(
                "an interpreter entry would not be readable for the IDE",
                where=(name.get("value") if name else "") or "",
                why="; ".join(wrong),
            )
