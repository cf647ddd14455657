"""One round: look, plan, do, record. Used for the whole tree and for a handful of saved files alike."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from devbox.ports.events import Emit
from devbox.ports.tree import Outcome, Result, Sent, Tree
from devbox.sync import plan as planning
from devbox.sync.brake import Brake
from devbox.sync.doubts import Doubts
from devbox.sync.ignore import Ignore
from devbox.sync.index import Index
from devbox.sync.looking import Looking
from devbox.sync.marks import learned
from devbox.sync.model import Plan, Record, Report, View
from devbox.sync.moving import Moving, Pair, apart
from devbox.sync.outcomes import Outcomes
from devbox.sync.place import Place

_BATCH = 512
"""Outcomes that go into the index together."""


@dataclass(slots=True)
class Rounds:
    """The work of a session on an open tree."""

    place: Place
    index: Index
    emit: Emit
    looking: Looking = field(init=False)
    brake: Brake = field(init=False)
    sent: Sent = lambda count: None
    """Told of content bytes as they leave."""
    between: Sent = lambda count: None
    """Told as well; may do a round of its own, on another tree."""
    problems: dict[bytes, str] = field(default_factory=dict)
    """What could not be done at the last try of a watch, and why."""
    started_ns: int = 0
    """When the round began to look."""
    _whole: tuple[View, Plan] | None = None
    _agreed: dict[bytes, Record] = field(default_factory=dict)
    """What both sides have had since the last look at the whole tree."""

    def __post_init__(self) -> None:
        self.looking = Looking(self.place, self.index)
        self.brake = Brake(self.index.count)

    @property
    def ignore(self) -> Ignore:
        return self.looking.ignore

    def whole(self, tree: Tree, take_local: frozenset[bytes] = frozenset()) -> tuple[View, Plan]:
        """Look at everything on both sides."""
        if not self.looking.begun:
            self.begin()
        self._agreed.clear()
        view, plan = self._planned(tree, self.looking.whole(tree, take_local, self.brake.confirmed))
        self._whole = view, plan
        return view, plan

    def begin(self) -> None:
        """Look at the local side from now on, while the connection is made; `whole` goes on from there."""
        self.started_ns = time.time_ns()
        self.looking.begin()

    def end(self, tree: Tree) -> None:
        """A round over the whole tree is over, with all that followed from it: folders in step are marked."""
        if self._whole:
            (view, plan), self._whole = self._whole, None
            self.index.mark(view.marks, learned(view, plan, self._agreed, tree))

    def part(self, tree: Tree, paths: Iterable[bytes], subtrees: Collection[bytes]) -> tuple[View, Plan]:
        """Look at what is in doubt."""
        self.started_ns = time.time_ns()
        return self._planned(tree, self.looking.part(tree, paths, subtrees))

    def move(self, tree: Tree, moves: Iterable[Pair], report: Report) -> set[bytes]:
        """Rename folders there that were renamed here, as far as nothing has to be looked at for that.

        Returns the paths that must be looked at again.
        """
        self.started_ns = time.time_ns()
        moving, again = Moving(self.place, self.index, self.looking, self.brake), set[bytes]()
        for group in apart(moves):
            if (plan := moving.plan(group)).size:
                again |= self.apply(tree, View({}, {}, None), plan, report)
        return again

    def apply(self, tree: Tree, view: View, plan: Plan, report: Report) -> set[bytes]:
        """Do the plan and record every outcome. Returns the paths that must be looked at again."""
        outcomes = Outcomes(self._doubts(), self.emit, view, plan, report)
        with self.index.together():
            for path, record in plan.adopt.items():
                self.index.agree(path, record, settled=view.remote is not None)
                report.adopted += path not in view.records
            for path in plan.forget:
                self.index.forget(path)
            for conflict in plan.conflicts:
                outcomes.conflict(conflict.path, conflict.why)
        unclear, doubtful = set(plan.unsure), set[bytes]()
        if plan.size:
            self.index.intend(plan.operations)
            doubtful, refused = self._carry_out(tree, plan, outcomes)
            self._agreed.update(outcomes.agreed)
            unclear |= outcomes.refused(tree, refused)
        self.looking.clashed |= unclear
        again = doubtful | unclear
        return again | outcomes.folders_kept(again)

    def _carry_out(self, tree: Tree, plan: Plan, outcomes: Outcomes) -> tuple[set[bytes], list[Outcome]]:
        """The paths that must be looked at again, and what the host refused."""
        doubtful, refused, batch = set[bytes](), list[Outcome](), list[Outcome]()
        try:
            for outcome in tree.apply(plan.waves, _Count(outcomes.report, self.sent, self.between)):
                if outcome.result is Result.CONFLICT:
                    refused.append(outcome)
                    continue
                batch.append(outcome)
                if len(batch) >= _BATCH:
                    doubtful |= outcomes.record(batch)
                    batch = []
        finally:
            # Whatever is known to be done is recorded, even when the link broke after it.
            doubtful |= outcomes.record(batch)
        return doubtful, refused

    def _planned(self, tree: Tree, view: View) -> tuple[View, Plan]:
        doubts = self._doubts()
        view = doubts.told_apart(view)
        plan = planning.make(view, self.place.source, self.place.in_place)
        doubts.compare(tree, view, plan)
        self.brake.hold(view, plan, time.monotonic())
        return view, plan

    def _doubts(self) -> Doubts:
        return Doubts(self.place, self.index, self.started_ns)


@dataclass(slots=True)
class _Count:
    report: Report
    also: Sent
    between: Sent

    def __call__(self, count: int) -> None:
        self.report.sent += count
        self.also(count)
        self.between(count)
