"""The modes that files and folders get on the host: `D2775,F664`, as for rsync's --chmod."""

from __future__ import annotations

import re
from typing import NamedTuple

_ONE = re.compile(r"([DF])0?([0-7]{3,4})")


class Modes(NamedTuple):
    """Owner, groups and their bits are the host's business: of a local mode only the owner's x counts."""

    file: int = 0o644
    folder: int = 0o755

    @staticmethod
    def read(text: str) -> Modes:
        """What is left out is as usual; "" is all as usual. A `ValueError` says what is wrong."""
        found = {}
        for part in filter(None, text.split(",")):
            match = _ONE.fullmatch(part.strip())
            if match is None:
                raise ValueError(f"wants modes such as D2775,F664 (folders, files), found {part.strip()!r}")
            found[match[1]] = int(match[2], 8)
        return Modes(found.get("F", USUAL.file), found.get("D", USUAL.folder))

    def of(self, mode: int) -> int:
        """The mode on the host of a file that has this one here; who may read a program may run it."""
        return self.file | (self.file & 0o444) >> 2 if mode & 0o100 else self.file

    def agreed(self, mode: int) -> int:
        """What a file counts as that stands on the host with this mode already: as usual, only x matters."""
        return self.of(mode) if self == USUAL else mode


USUAL = Modes()


def wrong(text: str) -> str:
    """What is wrong with modes as text; "" when nothing is."""
    try:
        Modes.read(text)
    except ValueError as error:
        return str(error)
    return ""
