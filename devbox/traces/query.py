"""What one types to find traces:

service:order took>10ms             one span for which all of that holds
user.id=12   name:rest   error      an attribute; a part of a name; a span that failed
checkout "two words"                a part of a name or of an attribute
trace>1s                            the whole trace took longer
service:order >> service:user       the second somewhere below the first
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devbox.errors import UsageError
from devbox.traces.model import KINDS, Span
from devbox.traces.share import plain

UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3600_000_000_000,
}
FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Group:
    """What has to hold for one span. Durations in ns."""

    service: str = ""
    name: str = ""
    kind: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()
    least: int = 0
    most: int = FOREVER
    error: bool = False

    def fits(self, span: Span) -> bool:
        """Whether that span is one."""
        operation = span.operation
        return (
            self.service in ("", operation.service)
            and self.name.lower() in operation.name.lower()
            and self.kind in ("", operation.kind)
            and self.least <= span.duration <= self.most
            and (span.failed or not self.error)
            and all(plain(span.attributes.get(key, "")) == value for key, value in self.tags)
            and all(_mentions(span, word.lower()) for word in self.words)
        )


@dataclass(frozen=True, slots=True)
class Query:
    """Groups, each for a span somewhere below one of the group before; and the whole trace's duration and
    age, in ns.
    """

    groups: tuple[Group, ...] = ()
    least: int = 0
    most: int = FOREVER
    oldest: int = FOREVER
    youngest: int = 0

    def fits(self, spans: Sequence[Span]) -> bool:
        """Whether a trace of these spans is one (its duration and age apart)."""
        parents = {span.span_id: span.parent_id for span in spans}
        reached: set[str] | None = None
        for group in self.groups:
            found = {
                span.span_id
                for span in spans
                if group.fits(span) and (reached is None or _is_below(span.span_id, reached, parents))
            }
            if not found:
                return False
            reached = found
        return True


def _is_below(span: str, above: set[str], parents: dict[str, str]) -> bool:
    passed = set()
    while (span := parents.get(span, "")) and span not in passed:
        if span in above:
            return True
        passed.add(span)
    return False


def _mentions(span: Span, word: str) -> bool:
    operation = span.operation
    texts: Iterable[str] = (operation.name, operation.service, operation.function, span.message)
    return any(word in text.lower() for text in texts) or any(
        word in plain(value).lower() for value in span.attributes.values()
    )


def parse(text: str) -> Query:
    """The query in a text; `UsageError` with the place when it cannot be one."""
    try:
        terms = shlex.split(text)
    except ValueError:
        raise UsageError(f"a quotation mark is open in {text!r}") from None
    groups: list[list[str]] = [[]]
    whole = {"trace>": 0, "trace<": FOREVER, "age<": FOREVER, "age>": 0}
    for term in terms:
        limit = re.fullmatch(r"((?:trace|age)[<>])(.+)", term)
        if limit:
            whole[limit[1]] = _ns(limit[2])
        elif term == ">>":
            groups.append([])
        else:
            groups[-1].append(term)
    if any(not group for group in groups) and len(groups) > 1:
        raise UsageError(
            "`>>` stands between two spans", next_steps=["devbox trace ls 'service:order >> service:user'"]
        )
    return Query(tuple(_group(group) for group in groups if group), *whole.values())


def _group(terms: Sequence[str]) -> Group:
    texts = {"service": "", "name": "", "kind": ""}
    limits = {">": 0, "<": FOREVER}
    tags, words, error = [], [], False
    for term in terms:
        limit = re.fullmatch(r"took([<>])(.+)", term)
        pair = re.fullmatch(r"([\w.\-/]+)([:=])(.*)", term)
        if limit:
            limits[limit[1]] = _ns(limit[2])
        elif term == "error":
            error = True
        elif pair and pair[1] in texts:
            texts[pair[1]] = pair[3]
        elif pair and pair[2] == "=":
            tags.append((pair[1], pair[3]))
        else:
            words.append(term)
    if texts["kind"] and texts["kind"] not in KINDS:
        raise UsageError(f"no kind {texts['kind']!r}", why=f"kinds are: {', '.join(KINDS)}")
    return Group(
        **texts, tags=tuple(tags), words=tuple(words), least=limits[">"], most=limits["<"], error=error
    )


def _ns(text: str) -> int:
    found = re.fullmatch(r"=?(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)?", text)
    if not found:
        raise UsageError(f"{text!r} is not a duration", next_steps=["devbox trace ls 'took>10ms'"])
    return int(float(found[1]) * UNITS[found[2] or "ms"])
