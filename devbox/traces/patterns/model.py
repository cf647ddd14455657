"""What a pattern found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` names the pattern, `text` says it about this trace, `advice` what to try; `spans` are the ids it
    is about (the most telling first) and `cost` the ns that it takes from the trace, as far as one can say.
    """

    kind: str
    text: str
    advice: str
    spans: Sequence[str]
    cost: int = 0
