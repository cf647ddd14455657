"""Changes to an XML file that touch nothing but what they change. Each can be taken back byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devbox.pycharm.xml import Document, Node, escape, pretty

_BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Form:
    """How a parent without children was written: its `tail` as in ` />`, or the blank between its tags."""

    tail: str = ""
    inner: str = ""


def _cut(document: Document, start: int, end: int, new: str) -> Document:
    return document.with_body(document.body[:start] + new.encode() + document.body[end:])


def indent_at(document: Document, offset: int) -> str | None:
    """The white space between the line's start and `offset`; `None` when something else stands there."""
    line = document.body[:offset].rpartition(b"\n")[2]
    return line.decode() if not line.strip(_BLANK) else None


def insert(document: Document, parent: Node, child: Node) -> tuple[Document, Form | None]:
    """Add `child` as the parent's last element. The form is what `remove` needs when it was the only one."""
    if parent.children:
        last = parent.children[-1]
        return _cut(document, last.end, last.end, _line(document, last, child)), None
    own = indent_at(document, parent.start) or ""
    newline = document.newline
    line = newline + own + "  " + pretty(child, own + "  ", newline)
    if parent.self_closing:
        opened = document.body[parent.start : parent.end].decode()
        head = opened.removesuffix("/>").rstrip()
        whole = f"{head}>{line}{newline}{own}</{parent.tag}>"
        return _cut(document, parent.start, parent.end, whole), Form(tail=opened[len(head) :])
    inner = document.body[parent.inner : parent.close].decode()
    if inner.strip():
        return _cut(document, parent.inner, parent.inner, line), None
    return _cut(document, parent.inner, parent.close, line + newline + own), Form(inner=inner)


def _line(document: Document, sibling: Node, child: Node) -> str:
    """`child` on a line of its own below `sibling`, or right behind it where lines are not used."""
    indent = indent_at(document, sibling.start)
    if indent is None:
        return pretty(child)
    return document.newline + indent + pretty(child, indent, document.newline)


def replace(document: Document, old: Node, new: Node) -> Document:
    """Put `new` where `old` stands."""
    indent = indent_at(document, old.start) or ""
    return _cut(document, old.start, old.end, pretty(new, indent, document.newline))


def restore(document: Document, old: Node, text: str) -> Document:
    """Put back the text that `old` replaced."""
    return _cut(document, old.start, old.end, text)


def remove(document: Document, parent: Node, child: Node, form: Form | None) -> Document:
    """Take the element out with the white space before it; an emptied parent gets its old form back."""
    if form is not None and len(parent.children) == 1 and _only(document, parent, child):
        if not form.tail:
            return _cut(document, parent.inner, parent.close, form.inner)
        return _cut(document, parent.inner - 1, parent.end, form.tail)
    start = child.start
    while start > parent.inner and document.body[start - 1] in _BLANK:
        start -= 1
    return _cut(document, start, child.end, "")


def _only(document: Document, parent: Node, child: Node) -> bool:
    """Whether nothing but white space stands beside the child."""
    beside = document.body[parent.inner : child.start] + document.body[child.end : parent.close]
    return not beside.strip(_BLANK)


def set_attribute(document: Document, node: Node, name: str, value: str | None) -> Document:
    """Give the element the attribute (behind its others when new), or take it away with `None`."""
    opened = document.body[node.start : node.inner].decode()
    found = _attribute(opened, name)
    if found is None:
        if value is None:
            return document
        at = node.start + len(re.sub(r"\s*/?>\Z", "", opened).encode())
        return _cut(document, at, at, f' {name}="{escape(value)}"')
    first, last = (node.start + len(opened[:at].encode()) for at in found)
    return _cut(document, first, last, "" if value is None else f' {name}="{escape(value)}"')


def _attribute(opened: str, name: str) -> tuple[int, int] | None:
    """Where in a start tag the attribute stands, with the white space before it."""
    for found in re.finditer(r"""\s+([^\s=]+)\s*=\s*("[^"]*"|'[^']*')""", opened):
        if found[1] == name:
            return found.span()
    return None
