"""The form of the IDE's files as facts: which element stands where, its attributes, the form of their values.

`python -m tests.pycharm.grammar` derives grammar.json anew from the samples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from devbox.pycharm.xml import Node, parse

FILE = Path(__file__).with_name("grammar.json")
PUBLISHED = Path(__file__).with_name("published.json")
"""Where no sample is: the form of files that projects publish as their IDE wrote them, and their names."""
Grammar = dict[str, dict[str, dict[str, Any]]]

# Elements whose meaning hangs on one attribute: an option called pathMappings is not an option called port.
_NAMED = {
    "option": "name",
    "component": "name",
    "setting": "name",
    "EXTENSION": "ID",
    "configuration": "type",
    "deployment": "type",
    "targetEnvironmentConfiguration": "type",
    "target": "type",
    "orderEntry": "type",
}
# Attributes with a closed set of values: the values themselves are the form.
_CLOSED = frozenset(
    [
        "type",
        "factoryName",
        "accessType",
        "nameFormat",
        "dataProtectionLevel",
        "autoUpload",
        "authType",
        "jdkType",
        "project-jdk-type",
        "default",
        "runner",
        "v",
        "version",
        "contributedKey",
        "ID",
        "forTests",
    ]
)
_CLOSED_OPTIONS = frozenset({"myAutoUpload", "customConfiguratorId", "targetType", "networkMode"})

_OPEN = frozenset({("env", "name"), ("env", "value")})
# Parts that the IDE writes with one piece of code wherever they stand: their form is the same everywhere.
# Where each may stand is kept apart, as `PLACE > PART`.
SHARED = "shared"
_PARTS = frozenset(
    {
        "component[SshConfigs]",
        "component[WebServers]",
        "EXTENSION[DockerContainerSettingsRunConfigurationExtension]",
        "PathMappingSettings",
        "DockerEnvVarImpl",
        "DockerPortBindingImpl",
        "DockerVolumeBindingImpl",
        "envs",
    }
)

_FORMS = (
    ("empty", r""),
    ("bool", r"true|false"),
    ("integer", r"-?\d+"),
    ("uuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("url", r"[a-z]+://.*"),
    ("path", r"(/|\$[A-Z_a-z]+\$|[A-Z]:\\|\\\\|~/).*"),
    ("python version", r"Python \d+\.\d+(\.\d+)?"),
    (
        "remote sdk",
        r"Remote Python \d+\.\d+\.\d+ (Docker|Docker Compose|\(?sftp)\b.*|Remote Python .*\(sftp://.*",
    ),
    ("json", r"\{(?!\{).*\}|\".*\""),
)


def form(value: str) -> str:
    """What a value looks like."""
    return next((name for name, pattern in _FORMS if re.fullmatch(pattern, value, re.DOTALL)), "text")


def step(node: Node) -> str:
    """The element as one step of a path in the grammar."""
    key = _NAMED.get(node.tag)
    value = node.get(key) if key else None
    return node.tag if value is None else f"{node.tag}[{value}]"


def _form_of(node: Node, name: str, value: str) -> str:
    if (node.tag, name) in _OPEN:
        return "anything"
    closed = name in _CLOSED or (name == "value" and node.get("name") in _CLOSED_OPTIONS)
    return f"={value}" if closed else form(value)


def elements(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every element with its path; `PLACE > PART` with an empty element says where a shared part stands."""
    here = f"{path}/{step(node)}".lstrip("/")
    part = _part(node, path)
    if part and part != here:
        yield f"{path} > {part}", Node(node.tag)
        here = part
    yield here, node
    for child in node.children:
        yield from elements(child, here)


def _part(node: Node, path: str) -> str:
    """The name of the shared part that begins with this element, else \"\"."""
    if node.tag == "config" and (target := re.search(r"/target\w*(\[[^/]+\])\Z", path)):
        return f"config{target[1]}"
    return step(node) if step(node) in _PARTS else ""


def _section(path: str, kind: str) -> str:
    first = path.partition("/")[0]
    return SHARED if " > " not in path and (first in _PARTS or first.startswith("config[")) else kind


def derive(files: dict[str, list[Node]]) -> Grammar:
    """The grammar of some documents, by kind."""
    grammar: Grammar = {SHARED: {}}
    for kind, roots in files.items():
        for path, node in (item for root in roots for item in elements(root)):
            paths = grammar.setdefault(_section(path, kind), {})
            known = paths.setdefault(path, {"forms": {}, "always": sorted(dict(node.attributes))})
            known["always"] = sorted(set(known["always"]) & set(dict(node.attributes)))
            for name, value in node.attributes:
                forms = known["forms"].setdefault(name, [])
                if (found := _form_of(node, name, value)) not in forms:
                    forms.append(found)
    for paths in grammar.values():
        for known in paths.values():
            known["forms"] = {name: sorted(forms) for name, forms in sorted(known["forms"].items())}
    return grammar


def differences(root: Node, kind: str, grammar: Grammar) -> list[str]:
    """Where a document leaves the grammar of its kind; empty when it does not."""
    found: list[str] = []
    for path, node in elements(root):
        known = grammar.get(_section(path, kind), {}).get(path)
        found += [f"{path}: unknown"] if known is None else _attributes(path, node, known)
    return found


def _attributes(path: str, node: Node, known: dict[str, Any]) -> Iterator[str]:
    attributes = dict(node.attributes)
    for name in known["always"]:
        if name not in attributes:
            yield f"{path}@{name}: missing"
    for name, value in attributes.items():
        forms = known["forms"].get(name, [])
        shape = _form_of(node, name, value)
        if shape not in forms and ("text" not in forms or shape.startswith("=")):
            yield f"{path}@{name}: {shape} ({value!r}) where real ones have {', '.join(forms) or 'none'}"


def order(root: Node) -> Iterator[tuple[str, str, str]]:
    """(path, one, another) for attributes and for children of which one stands before the other."""
    for path, node in elements(root):
        names = [f"@{name}" for name, _ in node.attributes]
        for row in (names, [step(child) for child in node.children]):
            yield from ((path, first, second) for first, second in combinations(row, 2) if first != second)


def load() -> Grammar:
    """The committed grammar."""
    loaded: Grammar = json.loads(FILE.read_text())
    return loaded


def with_published() -> Grammar:
    """The committed grammar; where the samples say nothing, what published files say."""
    known = load()
    published: Grammar = json.loads(PUBLISHED.read_text())["grammar"]
    for kind, paths in published.items():
        known[kind] = {**paths, **known.get(kind, {})}
    return known


def of_samples(samples: dict[str, bytes]) -> Grammar:
    """The grammar of the samples."""
    from tests.pycharm.samples import kind_of

    files: dict[str, list[Node]] = {}
    for name, data in samples.items():
        files.setdefault(kind_of(name), []).append(parse(data).root)
    return derive(files)


def dump(grammar: Grammar) -> str:
    """The grammar as JSON with one line per element."""
    kinds = []
    for kind, paths in sorted(grammar.items()):
        lines = [f"  {json.dumps(path)}: {json.dumps(known)}" for path, known in sorted(paths.items())]
        kinds.append(f" {json.dumps(kind)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(kinds) + "\n}\n"


if __name__ == "__main__":
    from tests.pycharm import samples

    FILE.write_text(dump(of_samples(samples.load())))
