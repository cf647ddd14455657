"""Counts under ascending keys, packed: all buckets of one operation, all steps of its trend.

They are always read and written together, and a row for each of them would be a hundred thousand rows to read
for one look at the slowest functions.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

_WORD = "q"
"""64 bits with a sign, in the order of bytes of the machine: a store does not travel."""


class Tally:
    """`keys` in order, and beside each of them a number per column; the first column counts calls."""

    __slots__ = ("columns", "keys")

    def __init__(self, width: int, data: bytes = b"") -> None:
        words = array(_WORD, data)
        size = len(words) // (width + 1)
        self.keys = words[:size]
        self.columns = [words[at * size : (at + 1) * size] for at in range(1, width + 1)]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], width: int) -> Tally:
        """From rows of a key and its numbers, in the order of keys."""
        made = cls(width)
        columns = [array(_WORD, column) for column in zip(*rows, strict=True)]
        if columns:
            made.keys, *made.columns = columns
        return made

    def add(self, key: int, values: Iterable[int]) -> int:
        """Add these numbers (or take them away, when they are negative); gives the place of the key."""
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            for column, value in zip(self.columns, values, strict=True):
                column[at] += value
        else:
            keys.insert(at, key)
            for column, value in zip(self.columns, values, strict=True):
                column.insert(at, value)
        return at

    def packed(self, most: int = 0) -> bytes:
        """What is stored: without keys that no call is left of, the highest `most` of them (0: all)."""
        if self.keys and min(self.columns[0]) <= 0:
            self._drop_empty()
        return b"".join(column[-most:].tobytes() for column in (self.keys, *self.columns))

    def _drop_empty(self) -> None:
        left = [at for at, calls in enumerate(self.columns[0]) if calls > 0]
        self.keys, *self.columns = (
            array(_WORD, [column[at] for at in left]) for column in (self.keys, *self.columns)
        )
