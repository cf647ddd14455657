"""The kinds of files: which of their elements are whole things of ours, and what tells two of them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from devbox.pycharm.xml import Node

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# What tells siblings of one tag apart; a tag that is not here stands once in its parent.
_KEYS = {
    "component": "name",
    "configuration": "name",
    "content": "url",
    "excludeFolder": "url",
    "facet": "type",
    "module": "filepath",
    "option": "name",
    "orderEntry": "type",
    "paths": "name",
    "plugin": "id",
    "remote-mappings": "server-id",
    "remote-server": "name",
    "sshConfig": "id",
    "webServer": "id",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file.

    `owned` are tags that are ours or somebody else's as a whole; all other elements are containers that are
    shared. `attributes` are (tag, name) of containers that we set. `header` starts a new file: the IDE
    writes an XML declaration into `.idea`, none into `.run` and its own options. A `single` file holds one
    thing only.
    """

    name: str
    owned: frozenset[str]
    attributes: frozenset[tuple[str, str]] = frozenset()
    header: str = ""
    single: bool = False
    only_new: frozenset[str] = frozenset()
    """Containers that belong into a new file, and not beside the ones that a file has already."""


def _project(
    name: str, *owned: str, attributes: frozenset[tuple[str, str]] = frozenset(), single: bool = False
) -> Kind:
    return Kind(name, frozenset(owned), attributes, DECLARATION, single)


def _component(*names: str) -> frozenset[tuple[str, str]]:
    return frozenset(("component", name) for name in names)


DEPLOYMENT = _project(
    "deployment", "paths", "option", attributes=_component("serverName", "autoUpload", "exclude")
)
WEB_SERVERS = _project("webServers", "webServer")
SSH_CONFIGS = _project("sshConfigs", "sshConfig")
MISC = _project("misc", attributes=_component("project-jdk-name", "project-jdk-type", "version"))
MODULES = _project("modules", "module")
IML = replace(
    _project("iml", "orderEntry", "excludeFolder", "option", "facet"), only_new=frozenset({"content"})
)
EXTERNAL = _project("externalDependencies", "plugin")
REMOTE_MAPPINGS = _project("remote-mappings", "remote-mappings")
RUN = Kind("run", frozenset({"configuration"}), single=True)

IDE_SSH_CONFIGS = Kind("sshConfigs", frozenset({"sshConfig"}))
IDE_WEB_SERVERS = Kind("webServers", frozenset({"webServer"}))
REMOTE_SERVERS = Kind("remote-servers", frozenset({"remote-server"}))
JDK_TABLE = Kind("jdk-table", frozenset({"jdk"}))
DOCKER_TOOLS = Kind("docker-tools", frozenset({"option"}))


def identity(node: Node) -> str:
    """What tells this element from its siblings: the same text means the same thing."""
    if node.tag == "jdk":
        return f"jdk[{_jdk(node)}]"
    if node.tag == "orderEntry" and node.get("type") in ("jdk", "inheritedJdk"):
        return "orderEntry[jdk]"  # a module has one interpreter: its own or the project's
    key = _KEYS.get(node.tag)
    value = node.get(key) if key else None
    return node.tag if value is None else f"{node.tag}[{value}]"


def _jdk(node: Node) -> str:
    """An interpreter is known by its SDK_UUID, and by its name where older versions wrote none."""
    additional, name = node.find("additional"), node.find("name")
    uuid = additional.get("SDK_UUID") if additional else None
    return uuid or (name.get("value") if name else None) or ""
