"""Values of compose files: variables, durations, ports, volumes. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from devbox.config.shapes import Complaint, Located

_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\})")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MODES = frozenset(("", "rw", "ro", "z", "Z", "cached", "delegated", "consistent"))
_PORT = re.compile(
    r"(?:(?P<ip>[0-9]+(?:\.[0-9]+){3}|\[[0-9a-fA-F:]+\]):)?(?:(?P<local>\d+):)?(?P<target>\d+)(?:/tcp)?"
)


def replaced(node: Located, variables: Mapping[str, str]) -> Located:
    """The document with its variables replaced, in values only, as compose does it."""
    if isinstance(node.value, dict):
        return Located({key: replaced(item, variables) for key, item in node.value.items()}, node.line)
    if isinstance(node.value, list):
        return Located([replaced(item, variables) for item in node.value], node.line)
    if not isinstance(node.value, str):
        return node

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        return _variable(found[2] or found[3], found[4] or "", found[5] or "", node.line, variables)

    return Located(_VARIABLE.sub(value, node.value), node.line)


def _variable(name: str, how: str, other: str, line: int, variables: Mapping[str, str]) -> str:
    known = variables.get(name)
    there = known is not None and not (how.startswith(":") and known == "")
    if how.endswith("-"):
        return known or "" if there else other
    if how.endswith("+"):
        return other if there else ""
    if how.endswith("?") and not there:
        raise Complaint(f"${{{name}}}", line, other or "is not set")
    return known or ""


def duration(node: Located, path: str) -> float:
    """Seconds of `1m30s`."""
    text = plain_text(node)
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise Complaint(path, node.line, f"wants a duration such as 1m30s, found {text!r}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def port(node: Located, path: str) -> str:
    """One entry of `ports` as devbox.yaml has it."""
    if isinstance(node.value, dict):
        known = {key: plain_text(item) for key, item in node.value.items()}
        strange = set(known) - {"target", "published", "protocol", "host_ip", "mode", "name", "app_protocol"}
        if strange or known.get("protocol", "tcp") != "tcp" or not known.get("target", "").isdigit():
            raise Complaint(path, node.line, f"is no TCP port that devbox can forward: {known}")
        return ":".join(part for part in (known.get("published", ""), known["target"]) if part)
    found = _PORT.fullmatch(plain_text(node))
    if not found:
        raise Complaint(path, node.line, f"wants single TCP ports, found {plain_text(node)!r}")
    return ":".join(part for part in (found["local"], found["target"]) if part)


def volume(node: Located, path: str, folder: str) -> str:
    """One entry of `volumes` as devbox.yaml has it; without a source it is a volume without a name."""
    if isinstance(node.value, dict):
        known = {key: plain_text(item) for key, item in node.value.items()}
        if known.get("type") not in ("bind", "volume") or set(known) - {
            "type",
            "source",
            "target",
            "read_only",
        }:
            raise Complaint(path, node.line, f"is no bind or volume that devbox can mount: {known}")
        source, target = known.get("source", ""), known.get("target", "")
        modes = {"ro"} if known.get("read_only") == "true" else set()
    else:
        source, _, rest = plain_text(node).partition(":")
        target, _, mode = rest.partition(":")
        source, target = (source, target) if target else ("", source)
        modes = set(mode.split(","))
    if modes - _MODES:
        raise Complaint(path, node.line, f"has a mode that devbox does not take: {','.join(sorted(modes))}")
    if source.startswith("."):
        source = "./" + joined(folder, source)
    return f"{source}:{target}" + (":ro" if "ro" in modes else "")


def extra_hosts(node: Located, path: str) -> tuple[str, ...]:
    """A mapping, or a list of NAME:ADDRESS or NAME=ADDRESS, as Docker takes it."""
    if isinstance(node.value, dict):
        return tuple(f"{name}:{plain_text(address)}" for name, address in node.value.items())
    found = []
    for item in items(node, path):
        name, _, address = plain_text(item).replace("=", ":", 1).partition(":")
        if not (name and address):
            raise Complaint(path, item.line, f"wants NAME:ADDRESS, found {plain_text(item)!r}")
        found.append(f"{name}:{address.removeprefix('[').removesuffix(']')}")
    return tuple(found)


def plain_text(node: Located) -> str:
    """A scalar as it was written."""
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def mapping(node: Located, path: str) -> Mapping[str, Located]:
    """The entries of a mapping; nothing is an empty one."""
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise Complaint(path, node.line, f"wants a mapping, found {node.value!r}")
    return node.value


def items(node: Located, path: str) -> Sequence[Located]:
    """The items of a list, or the one that stands without it."""
    if isinstance(node.value, list):
        return node.value
    if node.value is None:
        raise Complaint(path, node.line, "wants a list")
    return [node]


def joined(folder: str, path: str) -> str:
    """A path of the compose file, seen from the project."""
    return posixpath.normpath(posixpath.join(folder, path))
