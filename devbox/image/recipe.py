"""What a Dockerfile that is there already says about running its image."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"^\s*(CMD|ENTRYPOINT|EXPOSE|WORKDIR)\s+(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """`starts`: its image has a command of its own; `port`: the first one that it exposes, 0 for none;
    `folder`: where it works, "" where that is not said or depends on a variable."""

    starts: bool = False
    port: int = 0
    folder: str = ""


def read(text: str) -> Recipe:
    """The last word of each kind counts, as the last stage is the one that is built."""
    said = {word.upper(): value for word, value in _LINE.findall(text)}
    port = re.match(r"\d+", said.get("EXPOSE", ""))
    folder = said.get("WORKDIR", "").strip("\"'")
    plain = folder.startswith("/") and folder != "/" and "$" not in folder
    starts = "CMD" in said or "ENTRYPOINT" in said
    return Recipe(starts, int(port.group()) if port else 0, folder.rstrip("/") if plain else "")
