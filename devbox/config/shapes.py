"""Shapes: what a value of devbox.yaml may look like, told once, used to read it and as JSON Schema."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Located:
    """A value of the document and the line it stands on (1 is the first)."""

    value: Any
    line: int


class Complaint(Exception):
    """One thing wrong with the document; `key` is the dotted path."""

    def __init__(self, key: str, line: int, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.line = line
        self.message = message


class Shape(Protocol):
    """Reads a located value as a plain one, or raises `Complaint`; describes itself as JSON Schema."""

    def read(self, node: Located, key: str) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


def _wanted(node: Located, key: str, what: str) -> Complaint:
    names: dict[type, str] = {
        dict: "a mapping",
        list: "a list",
        str: f"the text {node.value!r}",
        type(None): "nothing",
    }
    found = names.get(type(node.value), repr(node.value))
    return Complaint(key, node.line, f"wants {what}, found {found}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text; numbers are taken as they are written, so that `tag: 3` needs no quotes."""

    help: str = ""
    check: Callable[[str], str] = lambda text: ""
    """Returns what is wrong with the text, "" when nothing is."""

    def read(self, node: Located, key: str) -> str:
        if isinstance(node.value, bool) or not isinstance(node.value, (str, int, float)):
            raise _wanted(node, key, "a text")
        text = str(node.value)
        if wrong := self.check(text):
            raise Complaint(key, node.line, wrong)
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number"], "description": self.help}


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two bounds; `whole` for integers."""

    low: float
    high: float
    help: str = ""
    whole: bool = True

    def read(self, node: Located, key: str) -> float:
        kinds = (int,) if self.whole else (int, float)
        if isinstance(node.value, bool) or not isinstance(node.value, kinds):
            raise _wanted(node, key, "a whole number" if self.whole else "a number")
        if not self.low <= node.value <= self.high:
            raise Complaint(
                key, node.line, f"wants a number from {self.low:g} to {self.high:g}, found {node.value}"
            )
        return node.value

    def schema(self) -> dict[str, Any]:
        kind = "integer" if self.whole else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high, "description": self.help}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    help: str = ""

    def read(self, node: Located, key: str) -> bool:
        if not isinstance(node.value, bool):
            raise _wanted(node, key, "true or false")
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean", "description": self.help}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of an enumeration's values."""

    options: type[Enum]
    help: str = ""

    def read(self, node: Located, key: str) -> Enum:
        names = [str(option.value) for option in self.options]
        if node.value not in names:
            raise Complaint(
                key,
                node.line,
                f"wants one of {', '.join(names)}, found {node.value!r}{hint(node.value, names)}",
            )
        return self.options(node.value)

    def schema(self) -> dict[str, Any]:
        return {"enum": [option.value for option in self.options], "description": self.help}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; with `single`, one item may stand without the list."""

    item: Shape
    help: str = ""
    single: bool = False

    def read(self, node: Located, key: str) -> tuple[Any, ...]:
        if self.single and not isinstance(node.value, list):
            return (self.item.read(node, key),)
        if not isinstance(node.value, list):
            raise _wanted(node, key, "a list")
        return tuple(self.item.read(item, f"{key}[{index}]") for index, item in enumerate(node.value))

    def schema(self) -> dict[str, Any]:
        several = {"type": "array", "items": self.item.schema(), "description": self.help}
        return {"anyOf": [self.item.schema(), several], "description": self.help} if self.single else several


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from free names to values of one shape; `named` builds the value with its name."""

    item: Shape
    help: str = ""
    named: Callable[[str, Any], Any] | None = None

    def read(self, node: Located, key: str) -> Any:
        if not isinstance(node.value, dict):
            raise _wanted(node, key, "a mapping")
        read = {name: self.item.read(item, f"{key}.{name}") for name, item in node.value.items()}
        if self.named is None:
            return read
        return tuple(self.named(name, value) for name, value in read.items())

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema(), "description": self.help}


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command: one text for the shell, or a list of arguments without a shell."""

    help: str = ""

    def read(self, node: Located, key: str) -> str | tuple[str, ...]:
        if isinstance(node.value, list):
            return ListOf(Text()).read(node, key)
        return Text().read(node, key)

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "number"]}}],
            "description": self.help,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known keys; `build` makes the value from those that are present."""

    keys: Mapping[str, Shape]
    build: Callable[..., Any]
    help: str = ""
    required: tuple[str, ...] = ()

    def read(self, node: Located, key: str) -> Any:
        if not isinstance(node.value, dict):
            raise _wanted(node, key or "the file", "a mapping")
        values = {}
        for name, item in node.value.items():
            path = f"{key}.{name}" if key else str(name)
            if name not in self.keys:
                raise Complaint(path, item.line, f"is not a key devbox knows{hint(name, list(self.keys))}")
            values[str(name)] = self.keys[name].read(item, path)
        for name in self.required:
            if name not in values:
                raise Complaint(f"{key}.{name}" if key else name, node.line, "is missing")
        return self.build(**values)

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {name: shape.schema() for name, shape in self.keys.items()},
            "required": list(self.required),
            "additionalProperties": False,
            "description": self.help,
        }


def hint(found: object, known: list[str]) -> str:
    """` (did you mean …?)` for a near miss, else the list of what is known."""
    near = difflib.get_close_matches(str(found), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; it knows {', '.join(known)}"
