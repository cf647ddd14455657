"""The keys of a compose file that say how a service's processes run, and its secrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devbox.config.compose_draft import Draft, Taker
from devbox.config.compose_values import duration, items, joined, mapping, plain_text
from devbox.config.shapes import Complaint, Flag, ListOf, Located, Text

# What Docker gives anyway (moby, oci/caps/defaults.go), and what reaches no further than the container.
_HARMLESS = frozenset(("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID"))
_HARMLESS |= frozenset(("SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"))
_HARMLESS |= frozenset(("SYS_PTRACE", "SYS_NICE", "IPC_LOCK", "LEASE"))
_READABLE = ("json-file", "local", "journald")
_LONGEST = 100.0
_FOLDER = "/run/secrets"


def _plain(name: str, shape: Any) -> Taker:
    def take(draft: Draft, node: Located, path: str) -> None:
        draft.runtime[name] = shape.read(node, path)

    return take


def _cap_add(draft: Draft, node: Located, path: str) -> None:
    names = ListOf(Text()).read(node, path)
    draft.runtime["cap_add"] = names
    if {name.upper().removeprefix("CAP_") for name in names} - _HARMLESS:
        draft.dangers["capabilities"] = node.line


def _ulimits(draft: Draft, node: Located, path: str) -> None:
    found = {}
    for name, item in mapping(node, path).items():
        one = item.value if isinstance(item.value, dict) else {"soft": item, "hard": item}
        if set(one) != {"soft", "hard"}:
            raise Complaint(f"{path}.{name}", item.line, "wants a number, or soft and hard")
        found[name] = (_number(one["soft"], f"{path}.{name}"), _number(one["hard"], f"{path}.{name}"))
    draft.runtime["ulimits"] = found


def _number(node: Located, path: str) -> int:
    try:
        return int(plain_text(node))
    except ValueError:
        raise Complaint(path, node.line, f"wants a whole number, found {plain_text(node)!r}") from None


def _tmpfs(draft: Draft, node: Located, path: str) -> None:
    parts = (plain_text(item).partition(":") for item in items(node, path))
    draft.runtime["tmpfs"] = {folder: options for folder, _, options in parts}


def _logging(draft: Draft, node: Located, path: str) -> None:
    inner = dict(mapping(node, path))
    driver = inner.pop("driver", Located("", node.line))
    options = inner.pop("options", Located({}, node.line))
    for key, item in inner.items():
        raise Complaint(f"{path}.{key}", item.line, "is no key of logging: it has driver and options")
    name = plain_text(driver)
    if name and name not in _READABLE:
        why = f"is none that devbox logs can read: {', '.join(_READABLE)}"
        raise Complaint(f"{path}.driver", driver.line, why)
    draft.runtime["log_driver"] = name
    taken = mapping(options, f"{path}.options")
    draft.runtime["log_options"] = {key: plain_text(item) for key, item in taken.items()}


def _stop_grace(draft: Draft, node: Located, path: str) -> None:
    seconds = duration(node, path)
    if seconds > _LONGEST:
        raise Complaint(path, node.line, f"is longer than devbox waits: {_LONGEST:.0f}s")
    draft.runtime["stop_grace"] = seconds


def _security(draft: Draft, node: Located, path: str) -> None:
    for item in items(node, path):
        if plain_text(item).replace("=", ":") not in ("no-new-privileges", "no-new-privileges:true"):
            raise Complaint(
                path, item.line, f"is taken for no-new-privileges only, found {plain_text(item)!r}"
            )
    draft.runtime["no_new_privileges"] = True


def _secrets(draft: Draft, node: Located, path: str) -> None:
    """As compose does it where there is no swarm: the file, mounted for reading, with its own mode."""
    for item in items(node, path):
        one = item.value if isinstance(item.value, dict) else {"source": item}
        if strange := set(one) - {"source", "target", "uid", "gid", "mode"}:
            raise Complaint(f"{path}.{min(strange)}", item.line, "is no key of a secret")
        name = plain_text(one["source"]) if "source" in one else ""
        if name not in draft.secrets:
            known = ", ".join(draft.secrets) or "none"
            raise Complaint(path, item.line, f"names {name!r}; the file's secrets: {known}")
        target = plain_text(one["target"]) if "target" in one else name
        place = target if target.startswith("/") else f"{_FOLDER}/{target}"
        draft.values["volumes"] = (*draft.values.get("volumes", ()), f"{draft.secrets[name]}:{place}:ro")


def secret_files(node: Located, folder: str) -> Mapping[str, str]:
    """The file's own `secrets`: name to path."""
    found = {}
    for name, item in mapping(node, "secrets").items():
        inner = mapping(item, f"secrets.{name}")
        if set(inner) - {"file", "name"} or "file" not in inner:
            raise Complaint(f"secrets.{name}", item.line, "is taken with a file only")
        path = plain_text(inner["file"])
        found[name] = path if path.startswith("/") else f"./{joined(folder, path)}"
    return found


RUNTIME_KEYS: Mapping[str, Taker] = {
    "cap_add": _cap_add,
    "cap_drop": _plain("cap_drop", ListOf(Text())),
    "ulimits": _ulimits,
    "tmpfs": _tmpfs,
    "read_only": _plain("read_only", Flag()),
    "security_opt": _security,
    "init": _plain("init", Flag()),
    "stop_signal": _plain("stop_signal", Text()),
    "stop_grace_period": _stop_grace,
    "logging": _logging,
    "secrets": _secrets,
}
