"""Which positions may be committed: everything before the first message that somebody still works on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Ledger:
    """One partition. `next` is the position after the last message that was taken."""

    next: int = 0
    open: set[int] = field(default_factory=set)

    def take(self, offset: int) -> None:
        """A message was taken."""
        self.open.add(offset)
        self.next = max(self.next, offset + 1)

    def done(self, offset: int) -> int | None:
        """A message is done: the position to commit, `None` when nothing new may be committed."""
        if offset not in self.open:
            return None  # the partition was somebody else's meanwhile
        before = self.position
        self.open.discard(offset)
        return self.position if self.position != before else None

    @property
    def position(self) -> int:
        """Everything before this is done."""
        return min(self.open, default=self.next)
