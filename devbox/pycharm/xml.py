"""Reading XML with the place of every element in the bytes, and writing it in the form the IDE writes.

The IDE's form (JDOM as IntelliJ configures it): two spaces per level, `<name attr="value" />` for empty
elements, attribute values with `&`, `<`, `>`, `"` and line breaks escaped, no line break at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from devbox.errors import DevboxError

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_DECLARED = re.compile(rb"""\A<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_MUST_ESCAPE = re.compile('[&<>"\n\r\t]')


class Malformed(DevboxError):
    """A file is not XML that can be changed without losing something; it is left alone."""


@dataclass(frozen=True, slots=True)
class Node:
    """An element. The offsets are into the UTF-8 body it was parsed from; 0 for elements made here.

    `start` is its `<`, `inner` the first byte after its start tag, `close` the `<` of its end tag (equal to
    `inner` for `<a />`), `end` the first byte after it.
    """

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Node, ...] = ()
    text: str = ""
    start: int = 0
    inner: int = 0
    close: int = 0
    end: int = 0

    def get(self, name: str) -> str | None:
        """The attribute's value, `None` when it is absent."""
        return next((value for key, value in self.attributes if key == name), None)

    def find(self, tag: str) -> Node | None:
        """The first child with that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def walk(self) -> Iterator[Node]:
        """This element and everything below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def self_closing(self) -> bool:
        return self.inner == self.end


@dataclass(frozen=True, slots=True)
class Document:
    """A file: its body as UTF-8, its root, and how it is encoded on disk."""

    body: bytes
    root: Node
    bom: bytes = b""
    encoding: str = "utf-8"

    @property
    def newline(self) -> str:
        return "\r\n" if b"\r\n" in self.body else "\n"

    def to_bytes(self) -> bytes:
        """The file's bytes, in the encoding it came in."""
        return self.bom + self.body.decode().encode(self.encoding, errors="xmlcharrefreplace")

    def with_body(self, body: bytes) -> Document:
        return Document(body, parse_body(body), self.bom, self.encoding)


def parse(data: bytes) -> Document:
    """Parse a file. `Malformed` when it is not well-formed, has a DTD, or its bytes would not survive."""
    bom, encoding = _encoding(data)
    try:
        text = data[len(bom) :].decode(encoding)
        lossless = bom + text.encode(encoding) == data
    except (UnicodeError, LookupError) as error:
        raise Malformed("is not readable text", why=str(error)) from error
    if not lossless:
        raise Malformed("is in an encoding that cannot be written back byte for byte", why=encoding)
    body = text.encode()
    return Document(body, parse_body(body), bom, encoding)


def _encoding(data: bytes) -> tuple[bytes, str]:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return bom, encoding
    declared = _DECLARED.match(data)
    return b"", declared[1].decode().lower() if declared else "utf-8"


@dataclass(slots=True)
class _Open:
    """An element whose end is still to come."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    start: int
    inner: int
    children: list[Node]
    text: list[str]


class _Builder:
    """Collects expat's events into nodes. expat's byte index is exact for the start of each tag."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._stack: list[_Open] = []
        self.root: Node | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._started
        self._parser.EndElementHandler = self._ended
        self._parser.CharacterDataHandler = self._said
        self._parser.StartDoctypeDeclHandler = self._doctype

    def run(self) -> None:
        self._parser.Parse(self._body, True)

    def _started(self, tag: str, attributes: Any) -> None:
        start = self._parser.CurrentByteIndex
        pairs = tuple(zip(attributes[::2], attributes[1::2], strict=True))
        self._stack.append(_Open(tag, pairs, start, end_of_tag(self._body, start), [], []))

    def _ended(self, _tag: str) -> None:
        opened = self._stack.pop()
        empty = self._body[opened.inner - 2 : opened.inner] == b"/>"
        close = opened.inner if empty else self._parser.CurrentByteIndex
        end = close if empty else end_of_tag(self._body, close)
        text = "".join(opened.text).strip()
        node = Node(
            opened.tag,
            opened.attributes,
            tuple(opened.children),
            text,
            opened.start,
            opened.inner,
            close,
            end,
        )
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node

    def _said(self, text: str) -> None:
        if self._stack:
            self._stack[-1].text.append(text)

    def _doctype(self, *_: object) -> None:
        raise Malformed("has a document type, which no file of the IDE has")


def parse_body(body: bytes) -> Node:
    """The root element of a UTF-8 body."""
    builder = _Builder(body)
    try:
        builder.run()
    except expat.ExpatError as error:
        raise Malformed("is not well-formed XML", why=str(error)) from error
    assert builder.root is not None
    return builder.root


def end_of_tag(body: bytes, start: int) -> int:
    """The first byte after the tag that starts at `start`; `>` inside quotes does not end it."""
    quote = 0
    for offset in range(start, len(body)):
        byte = body[offset]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == 0x3E:
            return offset + 1
    raise Malformed("is not well-formed XML", why="a tag does not end")


def escape(value: str) -> str:
    """An attribute value as the IDE writes it."""
    return _MUST_ESCAPE.sub(lambda found: _ESCAPES[found[0]], value)


def pretty(node: Node, indent: str = "", newline: str = "\n") -> str:
    """The element in the IDE's form; the first line carries no indent (it is put where one stands)."""
    opened = "".join([f"<{node.tag}", *(f' {name}="{escape(value)}"' for name, value in node.attributes)])
    if not node.children:
        return f"{opened}>{escape(node.text)}</{node.tag}>" if node.text else f"{opened} />"
    deeper = indent + "  "
    inner = "".join(newline + deeper + pretty(child, deeper, newline) for child in node.children)
    return f"{opened}>{inner}{newline}{indent}</{node.tag}>"


def canonical(node: Node) -> str:
    """The element's meaning as text: attribute order and white space do not count."""
    attributes = tuple(sorted(node.attributes))
    return pretty(Node(node.tag, attributes, tuple(_sorted(child) for child in node.children), node.text))


def _sorted(node: Node) -> Node:
    children = tuple(_sorted(child) for child in node.children)
    return Node(node.tag, tuple(sorted(node.attributes)), children, node.text)
