"""systemd unit files and dockerd command lines, as text. Pure; syntax: systemd.unit(5), systemd.exec(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_TLS_FLAGS = ("--tls", "--tlsverify", "--tlscacert", "--tlscert", "--tlskey")
_SHORT = {
    "-D": "debug",
    "-G": "group",
    "-b": "bridge",
    "-l": "log-level",
    "-p": "pidfile",
    "-s": "storage-driver",
}
_WITH_VALUE = ("-H", "--host", "--tlscacert", "--tlscert", "--tlskey")


@dataclass(frozen=True, slots=True)
class Setting:
    """One `Key=Value` of a unit file: the lines it stands on (`end` excluded), continuations joined."""

    section: str
    key: str
    value: str
    start: int
    end: int


def settings(text: str) -> Iterator[Setting]:
    """The settings of a unit file in their order."""
    lines = text.splitlines()
    section, index = "", 0
    while index < len(lines):
        start, line = index, lines[index].strip()
        index += 1
        if line.startswith("["):
            section = line.strip("[]")
        if not line or line[0] in "#;[" or "=" not in line:
            continue
        while line.endswith("\\") and index < len(lines):
            line = line[:-1].rstrip() + " " + lines[index].strip()
            index += 1
        key, _, value = line.partition("=")
        yield Setting(section, key.strip(), value.strip(), start, index)


def values(texts: Iterable[str], section: str, key: str) -> list[str]:
    """What a list setting is after all files applied in order: an empty assignment starts it anew."""
    found: list[str] = []
    for text in texts:
        for setting in settings(text):
            if (setting.section, setting.key) == (section, key):
                found = [*found, setting.value] if setting.value else []
    return found


def sets(text: str, key: str) -> bool:
    """Whether the file says anything about that key."""
    return any(setting.key == key for setting in settings(text))


def words(command: str) -> list[str]:
    """The arguments of a command line, quotes kept as they are so that it can be put together again."""
    return re.findall(r"""(?:[^\s"']|"(?:\\.|[^"])*"|'(?:\\.|[^'])*')+""", command)


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Each argument as (flag, value, the words it is made of); what is no known flag has an empty flag."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        flag, joined, value = word.partition("=")
        if flag in _WITH_VALUE and not joined and index + 1 < len(arguments):
            yield flag, arguments[index + 1].strip("\"'"), (word, arguments[index + 1])
            index += 2
            continue
        if word.startswith("-H") and len(word) > 2:
            flag, value = "-H", word[2:].lstrip("=")
        known = flag in _WITH_VALUE or flag in _TLS_FLAGS
        yield (flag if known else ""), value.strip("\"'"), (word,)
        index += 1


def hosts(command: str) -> list[str]:
    """The addresses that a dockerd command line listens on by its flags."""
    return [value for flag, value, _ in _pairs(words(command)) if flag in ("-H", "--host")]


def tls_verified(command: str) -> bool:
    """Whether the command line asks for client certificates."""
    return any(
        flag == "--tlsverify" and value not in ("false", "0") for flag, value, _ in _pairs(words(command))
    )


def tls_authority(command: str) -> str:
    """The CA file that the command line names, "" when none."""
    return next((value for flag, value, _ in _pairs(words(command)) if flag == "--tlscacert"), "")


def without_network(command: str) -> str:
    """The command line without its TCP addresses and TLS flags."""
    kept = [
        word
        for flag, value, parts in _pairs(words(command))
        if flag not in _TLS_FLAGS and not (flag in ("-H", "--host") and value.startswith("tcp:"))
        for word in parts
    ]
    return " ".join(kept)


def with_values(text: str, key: str, edit: Mapping[str, str]) -> str:
    """The unit or environment file with that key's values replaced as `edit` says, all else as it was."""
    lines = text.splitlines(keepends=True)
    for setting in reversed(list(settings(text))):
        if setting.key == key and setting.value in edit:
            lines[setting.start : setting.end] = [f"{key}={edit[setting.value]}\n"]
    return "".join(lines)


def variables(text: str) -> dict[str, str]:
    """What a unit's `Environment=` lines set, by name."""
    found = {}
    for value in values([text], "Service", "Environment"):
        for word in words(value):
            name, _, said = unquoted(word).partition("=")
            found[name] = said
    return found


def unquoted(value: str) -> str:
    """A value without the quotes around it."""
    return value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[0] == value[-1] else value


def expanded(command: str, known: Mapping[str, str]) -> str:
    """The command line with the variables that are known put in; others stay as they are."""
    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", lambda found: known.get(found[1] or found[2], found[0]), command)


def names(command: str) -> list[str]:
    """The variables that a command line takes its arguments from."""
    return list(dict.fromkeys(re.findall(r"\$\{?(\w+)", command)))


def option(word: str) -> str:
    """The long name of the option that a word of dockerd's command line sets, "" when it sets none."""
    if word.startswith("--"):
        return word[2:].partition("=")[0]
    return _SHORT.get(word[:2], "")


def without_tcp_sockets(text: str) -> str:
    """The socket unit without its TCP addresses."""
    lines = text.splitlines(keepends=True)
    for setting in reversed(list(settings(text))):
        if setting.key == "ListenStream" and tcp_stream(setting.value):
            del lines[setting.start : setting.end]
    return "".join(lines)


def tcp_stream(value: str) -> bool:
    """Whether a ListenStream value is a TCP address (a port, or ADDRESS:PORT) and not a path."""
    return bool(value) and not value.startswith(("/", "@", "%t", "vsock:"))
