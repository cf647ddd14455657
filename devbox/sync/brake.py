"""The brake on deletes: a mass of them waits until a person says yes, the rest goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from devbox.ports.tree import Remove, RemoveDirectory
from devbox.sync import plan as planning
from devbox.sync.model import Plan, View

WINDOW = 10.0
"""Seconds in which deletes count together: `rm -r` of a large tree comes in many small rounds."""


@dataclass(slots=True)
class Brake:
    """`known` says how many files the index has. Times are those of a monotonic clock."""

    known: Callable[[], int]
    confirmed: bool = False
    """Whether the user said yes to a mass of deletes."""
    parked: set[bytes] = field(default_factory=set)
    """What waits for that yes."""
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def hold(self, view: View, plan: Plan, now: float) -> None:
        """Take the deletes out of the plan when they are too many, alone or with those of just before."""
        self.parked.difference_update(view.local)
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        before = sum(count for _, count in self._recent)
        deletes = planning.deletes(view, plan)
        if self.confirmed or not deletes:
            return
        nothing_else = all(isinstance(one, Remove | RemoveDirectory) for one in plan.operations)
        if planning.too_many_deletes(deletes, before, self.known(), nothing_else):
            self.parked.update(planning.without_deletes(plan))
        else:
            self._recent.append((now, deletes))
